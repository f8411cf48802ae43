//! System calls that only attackers make, and some of tests.
#![expect(unsafe_code, reason = "these calls have no safe form")]

use std::{io, ptr};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Leaves the user namespace.
pub(crate) fn unshare_users() {
    // SAFETY: The process has one thread, and no descriptor table is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.unwrap();
}

/// Reads the memory of another process.
pub(crate) fn read_memory(pid: i32, address: usize, buffer: &mut [u8]) -> io::Result<usize> {
    let ours = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let theirs =
        libc::iovec { iov_base: ptr::with_exposed_provenance_mut(address), iov_len: buffer.len() };
    // SAFETY: `ours` describes `buffer`, which outlives the call; `theirs` is not ours to touch.
    let count = unsafe { libc::process_vm_readv(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Begins to trace another process.
pub(crate) fn trace(pid: i32) -> io::Result<()> {
    let none: libc::c_ulong = 0;
    // SAFETY: PTRACE_SEIZE takes no memory of ours: address and options are zero.
    let answer = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a page of memory that is written first and executable after.
pub(crate) fn make_written_code() -> io::Result<()> {
    let length = 4096;
    let (writable, private) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: A new mapping at an address of the kernel's choice; nothing else knows of it.
    let page = unsafe { libc::mmap(ptr::null_mut(), length, writable, private, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: The mapping is the one just made, and nothing refers into it.
    let answer = unsafe { libc::mprotect(page, length, libc::PROT_READ | libc::PROT_EXEC) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks for a new process by the call that the C library no longer makes.
pub(crate) fn clone_process() -> io::Result<()> {
    // SAFETY: Like fork: no shared memory, no new stack. A child ends at once.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        // SAFETY: Ends the child without running anything of the parent's.
        0 => unsafe { libc::_exit(0) },
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
