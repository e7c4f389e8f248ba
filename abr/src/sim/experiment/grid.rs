//! The grid of an experiment: which session is which.
//!
//! A *cell* is a trace under conditions; its optimum is computed once. Cells are ordered by set, title, conditions,
//! settings that change the link, trace; within a cell sessions are ordered by other settings, then controller. A shard
//! is a span of cells, so that the rows of all shards, one after the other, are those of the whole.

use super::inputs::TraceSet;
use super::settings::{Point, Settings, tuned};
use super::stage::{Conditions, Stage, Subject};
use crate::sim::input::ReadError;
use crate::sim::report::Row;
use crate::sim::trace::{Format, Trace};
use std::ops::Range;
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub struct Grid {
    /// The traces, each set with the places of its titles in `subjects`.
    pub sets: Vec<(TraceSet, Vec<usize>)>,
    /// The titles.
    pub subjects: Vec<Subject>,
    /// Link, cap and score.
    pub conditions: Vec<Conditions>,
    /// Points of settings that change the link, at least one.
    pub network: Vec<Point>,
    /// Points of other settings, at least one.
    pub session: Vec<Point>,
    /// The controllers, at least one.
    pub controllers: Vec<&'static str>,
    /// How traces are written, if it is to be forced.
    pub format: Option<Format>,
}

/// A session of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Session(usize);

/// What a cell is made of.
struct Cell<'a> {
    set: &'a str,
    file: &'a Path,
    subject: &'a Subject,
    conditions: Conditions,
    network: &'a Point,
}

impl Grid {
    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.sets.iter().map(|(set, titles)| set.files.len() * titles.len() * self.per_file()).sum()
    }

    fn per_file(&self) -> usize {
        self.conditions.len() * self.network.len()
    }

    /// The sessions of every cell, in order.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = Session> + use<> {
        (0..self.session.len() * self.controllers.len()).map(Session)
    }

    /// The cells of shard `index` (from 1) of `count`.
    pub fn shard(&self, index: usize, count: usize) -> Range<usize> {
        let end = |index: usize| (self.cells() as u128 * index as u128 / count.max(1) as u128) as usize;
        end(index.saturating_sub(1))..end(index)
    }

    fn cell(&self, mut place: usize) -> Option<Cell<'_>> {
        for (set, titles) in &self.sets {
            let files = set.files.len();
            let size = files * titles.len() * self.per_file();
            if place >= size {
                place -= size;
                continue;
            }
            let (rest, file) = (place / files, place % files);
            let (rest, network) = (rest / self.network.len(), rest % self.network.len());
            let (title, conditions) = (rest / self.conditions.len(), rest % self.conditions.len());
            return Some(Cell {
                set: &set.name,
                file: &set.files[file],
                subject: &self.subjects[titles[title]],
                conditions: self.conditions[conditions],
                network: &self.network[network],
            });
        }
        None
    }

    /// Prepares a cell below [`Grid::cells`]; `None` beyond.
    pub fn stage(&self, place: usize) -> Result<Option<(Stage<'_>, &Point)>, ReadError> {
        let Some(Cell { set, file, subject, conditions, network }) = self.cell(place) else {
            return Ok(None);
        };
        let trace = Trace::read(file, self.format)?;
        Ok(Some((Stage::new(set, subject, trace, conditions, &Settings::at(network)), network)))
    }

    /// Plays one session of a cell.
    pub fn play(&self, stage: &Stage<'_>, network: &Point, session: Session) -> Row {
        let point = &self.session[session.0 / self.controllers.len()];
        let controller = self.controllers[session.0 % self.controllers.len()];
        let all = || network.iter().chain(point);
        let parameters: Vec<String> = all().map(|(axis, value)| format!("{}={value}", axis.name())).collect();
        let settings = Settings::at(&all().cloned().collect());
        stage.play(controller, &tuned(controller, point), &parameters.join(" "), &settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::experiment::{LinkModel, Qoe, points};
    use crate::sim::title::Title;

    fn grid() -> Grid {
        let conditions =
            |cap_s| Conditions { link: LinkModel::Pensieve, cap_s, qoe: Qoe::Lin, with_optimum: false };
        let set = |name: &str, files: usize| TraceSet {
            name: name.into(),
            files: (0..files).map(|file| format!("{name}{file}").into()).collect(),
        };
        let title = Title::load("synthetic:segments=2").unwrap();
        Grid {
            sets: vec![(set("a", 2), vec![0]), (set("b", 3), vec![0, 1])],
            subjects: vec![Subject::new(title.clone()), Subject::new(title)],
            conditions: vec![conditions(20.0), conditions(60.0)],
            network: points(&["payload=0.5,1".into()]).unwrap().0,
            session: points(&[]).unwrap().1,
            controllers: vec!["hybrid", "bba-0"],
            format: None,
        }
    }

    #[test]
    fn every_cell_is_there_once_and_traces_vary_fastest() {
        let grid = grid();
        assert_eq!((grid.cells(), grid.sessions().len()), (2 * 4 + 3 * 2 * 4, 2));
        let key = |place| {
            let cell = grid.cell(place).unwrap();
            let subject = grid.subjects.iter().position(|s| std::ptr::eq(s, cell.subject)).unwrap();
            (
                cell.set.to_owned(),
                subject,
                cell.conditions.cap_s as u64,
                cell.network[0].1 as u64,
                cell.file.to_owned(),
            )
        };
        let keys: Vec<_> = (0..grid.cells()).map(key).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
        assert!(grid.cell(grid.cells()).is_none());
    }

    #[test]
    fn shards_are_the_whole_in_order() {
        let grid = grid();
        let cells: Vec<usize> = (1..=5).flat_map(|index| grid.shard(index, 5)).collect();
        assert_eq!(cells, (0..grid.cells()).collect::<Vec<_>>());
    }
}
