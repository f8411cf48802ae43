//! System calls that only attackers and tests make.
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
    // SAFETY: `ours` describes `buffer`, which outlives the call. `theirs` describes memory of the
    // other process, so the call does not write through it.
    let count = unsafe { libc::process_vm_readv(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Begins to trace another process.
pub(crate) fn trace(pid: i32) -> io::Result<()> {
    let none: libc::c_ulong = 0;
    // SAFETY: PTRACE_SEIZE takes no pointers here: address and options are zero.
    let answer = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a page of memory that is first writable and then executable.
pub(crate) fn make_written_code() -> io::Result<()> {
    let length = 4096;
    let (writable, private) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: This makes a new mapping at an address that the kernel chooses, so it replaces no
    // other mapping.
    let page = unsafe { libc::mmap(ptr::null_mut(), length, writable, private, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: The mapping was made just now, and nothing refers to it.
    let answer = unsafe { libc::mprotect(page, length, libc::PROT_READ | libc::PROT_EXEC) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a new process with the clone system call, which the C library does not use any more.
pub(crate) fn clone_process() -> io::Result<()> {
    // SAFETY: The call works like fork: no memory is shared, and the child keeps the stack. The
    // child ends at once.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        // SAFETY: The call ends the child without running any code of the parent.
        0 => unsafe { libc::_exit(0) },
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
