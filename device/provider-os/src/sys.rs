//! The one system call that has no safe wrapper.
#![expect(unsafe_code, reason = "prctl(2) has no safe form for PR_SET_MDWE")]

use std::io;

/// Asks the kernel to refuse memory that is, or once was, both writable and executable
/// (`PR_SET_MDWE`, prctl(2)).
pub(crate) fn refuse_written_code() -> io::Result<()> {
    let flags = libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN);
    let none: libc::c_ulong = 0;
    // SAFETY: The call takes plain numbers and no pointers. Unused arguments are zero, as the
    // kernel requires.
    let answer = unsafe { libc::prctl(libc::PR_SET_MDWE, flags, none, none, none) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
