//! A file system module for `SQLite` that never sleeps.
#![expect(unsafe_code, reason = "SQLite's modules for files have no safe form")]

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::LazyLock;

use rusqlite::ffi;

const NAME: &CStr = c"device-key-without-sleep";

/// Returns the name of a module that is `SQLite`'s own except for its timer.
///
/// A read of a write-ahead log makes a hundred attempts at its locks, and sleeps for ten seconds in
/// all between them (`walTryBeginRead` in wal.c). No setting of a connection shortens that. With
/// this module the attempts follow each other at once, and the read fails within a millisecond.
/// The result is the ordinary module if `SQLite` has no memory for another.
pub(crate) fn file_system_without_sleep() -> &'static CStr {
    static REGISTERED: LazyLock<&CStr> = LazyLock::new(register);
    *REGISTERED
}

fn register() -> &'static CStr {
    // SAFETY: SQLite finds a module by its name, and the modules that it brings live for ever.
    let own = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    // SAFETY: SQLite returns null or a module.
    let Some(own) = (unsafe { own.as_ref() }) else { return c"unix" };
    let without_sleep = Box::leak(Box::new(ffi::sqlite3_vfs {
        zName: NAME.as_ptr(),
        pNext: ptr::null_mut(),
        xSleep: Some(do_not_sleep),

        ..*own
    }));
    // SAFETY: The module is never freed, and its functions are those of SQLite's own module, which
    // keep no state in it.
    match unsafe { ffi::sqlite3_vfs_register(without_sleep, 0) } {
        ffi::SQLITE_OK => NAME,
        _ => c"unix",
    }
}

/// Claims to have slept.
unsafe extern "C" fn do_not_sleep(_module: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}
