//! Plays the sessions of a grid on all cores and hands on their rows in the order of the grid.

use super::Failure;
use super::progress::Progress;
use crate::sim::experiment::{Grid, Session};
use crate::sim::report::Row;
use rayon::prelude::*;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are held until they can be handed on in order.
const WINDOW_ROWS: usize = 4096;
/// Cells per thread that are begun together: enough to keep every core busy, few enough that little is lost when the
/// program dies.
const CELLS_PER_THREAD: usize = 8;

/// Plays the sessions of `cells` but for the first `skip`; false when interrupted. What was handed on by then is
/// whole and in order.
pub(super) fn play(
    grid: &Grid,
    cells: Range<usize>,
    skip: usize,
    interrupted: &AtomicBool,
    progress: &Progress,
    mut sink: impl FnMut(Row) -> io::Result<()>,
) -> Result<bool, Failure> {
    let sessions: Vec<Session> = grid.sessions().collect();
    if sessions.is_empty() {
        return Ok(true);
    }
    let mut skip_in_cell = skip % sessions.len();
    let mut at = cells.start + skip / sessions.len();
    let width = (WINDOW_ROWS / sessions.len()).clamp(1, CELLS_PER_THREAD * rayon::current_num_threads());
    while at < cells.end {
        let window = at..(at + width).min(cells.end);
        at = window.end;
        if sessions.len() > WINDOW_ROWS {
            for cell in window {
                for part in sessions[skip_in_cell..].chunks(WINDOW_ROWS) {
                    if !hand_on(cell_rows(grid, cell, part, interrupted, progress)?, &mut sink)? {
                        return Ok(false);
                    }
                }
                skip_in_cell = 0;
            }
            continue;
        }
        let first = window.start;
        let rows: Vec<Result<Vec<Option<Row>>, Failure>> = window
            .into_par_iter()
            .map(|cell| {
                let skip = if cell == first { skip_in_cell } else { 0 };
                cell_rows(grid, cell, &sessions[skip..], interrupted, progress)
            })
            .collect();
        skip_in_cell = 0;
        for rows in rows {
            if !hand_on(rows?, &mut sink)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The rows of some sessions of a cell; `None` for those that an interruption prevented.
fn cell_rows(
    grid: &Grid,
    cell: usize,
    sessions: &[Session],
    interrupted: &AtomicBool,
    progress: &Progress,
) -> Result<Vec<Option<Row>>, Failure> {
    if interrupted.load(Ordering::Relaxed) {
        return Ok(vec![None]);
    }
    let Some((stage, network)) = grid.stage(cell)? else { return Ok(Vec::new()) };
    let play = |session: &Session| {
        if interrupted.load(Ordering::Relaxed) {
            return None;
        }
        let row = grid.play(&stage, network, *session);
        progress.step();
        Some(row)
    };
    Ok(sessions.par_iter().map(play).collect())
}

fn hand_on(rows: Vec<Option<Row>>, sink: &mut impl FnMut(Row) -> io::Result<()>) -> Result<bool, Failure> {
    for row in rows {
        let Some(row) = row else { return Ok(false) };
        sink(row)?;
    }
    Ok(true)
}

/// A flag that Ctrl-C and SIGTERM set; a second time ends the process.
pub(super) fn interruptible() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}
