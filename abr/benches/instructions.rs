//! What a choice costs in instructions, for counting under valgrind.
//!
//! Prints nothing; run it twice and divide the difference by the choices:
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null INSTRUCTIONS hybrid 0`, then with `1000`.
//! `cargo bench -p abr --bench instructions --no-run` says where it lies.

use abr::controller::{Situation, Upcoming, by_name};
use abr::throughput::{Predictor, Prior};
use std::hint::black_box;
use std::time::Duration;

const RUNGS: [u64; 6] = [300_000, 750_000, 1_200_000, 1_850_000, 2_850_000, 4_300_000];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let name = arguments.next().unwrap_or_else(|| "hybrid".to_owned());
    let choices: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let upcoming = [Upcoming { duration: Duration::from_secs(4) }; 10];
    let bits: Vec<u64> = upcoming.iter().flat_map(|_| RUNGS.map(|rate| rate * 4)).collect();
    let network = Predictor::new(Some(Prior { bps: 2_500_000, sigma: 0.3 }));
    let Some(mut controller) = by_name(&name) else { return };
    for choice in 0..choices {
        let situation = Situation {
            // Another level each time, so that nothing can be kept.
            buffer: Duration::from_millis(2_000 + u64::from(choice % 50) * 500),
            buffer_max: Duration::from_secs(30),
            rungs: &RUNGS,
            previous: Some(3),
            upcoming: &upcoming,
            bits: &bits,
            remaining: 100,
            since_start: 10,
            network: &network,
            live: None,
        };
        black_box(controller.choose(black_box(&situation)));
    }
}
