//! Decrypting samples takes no memory, by any scheme, through the module that the player uses.

use drm_stub::cdm::Cdm;
use drm_stub::cenc::{SampleCipher, Scheme};
use drm_stub::clearkey::ClearKey;
use drm_stub::hls_aes::{SegmentKey, decrypt_cbc, decrypt_ctr};
use drm_stub::key::{ContentKey, KeyId};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting by thread.
struct Counting;

fn count() {
    // Nobody counts while a thread ends.
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: everything is passed on to the system's allocator as it came; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often memory is taken by `work`.
fn taken(mut work: impl FnMut()) -> u64 {
    let before = TAKEN.get();
    work();
    TAKEN.get() - before
}

#[test]
fn samples_are_decrypted_without_taking_memory() {
    let kid = KeyId([1; 16]);
    let module = ClearKey::new();
    module.give(kid, ContentKey::new([7; 16]));
    let module: &dyn Cdm = &module;
    let mut sample = vec![5; 20_000];
    assert_eq!(taken(|| drop(std::hint::black_box(vec![0u8; 64]))), 1, "memory is counted");
    for (scheme, pattern) in
        [(Scheme::Cenc, (0, 0)), (Scheme::Cens, (1, 9)), (Scheme::Cbc1, (0, 0)), (Scheme::Cbcs, (1, 9))]
    {
        for subsamples in [&[][..], &[(100, 9_000), (13, 10_000)]] {
            let cipher = SampleCipher { scheme, iv: &[9; 16], subsamples, pattern };
            let taken = taken(|| {
                for _ in 0..100 {
                    module.decrypt(kid, &cipher, &mut sample).expect("the sample is as described");
                }
            });
            assert_eq!(taken, 0, "{scheme:?}");
        }
    }
    let key = SegmentKey::new(vec![3; 16]).expect("16 bytes are a key");
    let mut segment = vec![5; 16_000];
    let taken = taken(|| {
        decrypt_ctr(&key, &[9; 16], &mut segment).expect("any length fits");
        // Its padding is wrong, which is found out at the end.
        assert!(decrypt_cbc(&key, &[9; 16], &mut segment).is_err());
    });
    assert_eq!(taken, 0, "whole segments");
}
