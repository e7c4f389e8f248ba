//! What a choice costs in instructions, for counting under valgrind.
//!
//! Prints nothing; run it twice and divide the difference by the choices:
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null INSTRUCTIONS hybrid 0`, then with `1000`.
//! `cargo bench -p abr --bench instructions --no-run` says where it lies.

mod support;

use abr::controller::by_name;
use std::hint::black_box;
use std::time::Duration;
use support::Scene;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let name = arguments.next().unwrap_or_else(|| "hybrid".to_owned());
    let choices: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let scene = Scene::new();
    let Some(mut controller) = by_name(&name) else { return };
    for choice in 0..choices {
        // Another level each time, so that nothing can be kept.
        let buffer = Duration::from_millis(2_000 + u64::from(choice % 50) * 500);
        let situation = scene.situation(buffer);
        black_box(controller.choose(black_box(&situation)));
    }
}
