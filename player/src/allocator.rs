//! How the C library's allocator is to handle decoded pictures.
//!
//! By default glibc gives every thread an arena of its own and, once a large block has been freed, takes
//! blocks of that size from arenas too. Decoders allocate pictures of several megabytes on some threads and
//! free them on others, so that arenas keep what nobody uses: a tenth of the memory of a 1080p session.

/// Fewer bytes come from an arena, more straight from the system and go back there.
#[cfg(target_env = "gnu")]
const ARENA_BYTES_MAX: i32 = 1 << 20;
/// Arenas, for all threads together.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;

/// Sets the allocator up. To be called first thing in a program: blocks that exist stay where they are.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt(3) has no safe wrapper")]
pub fn set_up() {
    // SAFETY: mallopt(3) takes two integers, keeps no pointer and locks the allocator while it changes a
    // setting. It may be called at any time from any thread. A value that it refuses changes nothing, so
    // that its answer needs no look.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ARENA_BYTES_MAX);
    }
}

/// Other C libraries have nothing to set up.
#[cfg(not(target_env = "gnu"))]
pub fn set_up() {}
