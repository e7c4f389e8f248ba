//! Finds the traces and titles that a table names, and reads each once.

use crate::sim::input::{Problem, ReadError};
use crate::sim::title::Title;
use crate::sim::trace::{Trace, name_of, sets};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Traces by set and name, titles by name.
pub(super) struct Library {
    traces: PathBuf,
    movies: PathBuf,
    /// File by set and trace name.
    files: BTreeMap<String, BTreeMap<String, PathBuf>>,
    /// The set that the table's own file name tells of.
    preferred: Option<String>,
    read_traces: Mutex<BTreeMap<PathBuf, Arc<Trace>>>,
    read_titles: Mutex<BTreeMap<String, Arc<Title>>>,
}

impl Library {
    pub(super) fn open(table: &Path, traces: &Path, movies: &Path) -> Result<Self, ReadError> {
        let mut files = BTreeMap::new();
        for (set, paths) in sets(traces)? {
            let mut names = BTreeMap::new();
            for path in paths {
                // The name with its ending too, for tables that write it so.
                let full =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                names.insert(full, path.clone());
                names.insert(name_of(&path), path);
            }
            files.insert(set, names);
        }
        let table = name_of(table);
        let preferred =
            files.keys().filter(|set| table.contains(set.as_str())).max_by_key(|set| set.len()).cloned();
        Ok(Self {
            traces: traces.to_owned(),
            movies: movies.to_owned(),
            files,
            preferred,
            read_traces: Mutex::default(),
            read_titles: Mutex::default(),
        })
    }

    /// The trace of that name: in the set that the row names, else in the one that the table is named after, else in the
    /// only one that has it.
    pub(super) fn trace(&self, set: Option<&str>, name: &str) -> Result<Arc<Trace>, ReadError> {
        let path = self.find(set, name).map_err(|problem| problem.in_file(self.traces.join(name)))?;
        let lock = || self.read_traces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trace) = lock().get(path) {
            return Ok(trace.clone());
        }
        let trace = Arc::new(Trace::read(path, None)?);
        lock().insert(path.to_owned(), trace.clone());
        Ok(trace)
    }

    fn find(&self, set: Option<&str>, name: &str) -> Result<&PathBuf, Problem> {
        for set in [set, self.preferred.as_deref()].into_iter().flatten() {
            if let Some(path) = self.files.get(set).and_then(|names| names.get(name)) {
                return Ok(path);
            }
        }
        let everywhere: Vec<(&String, &PathBuf)> =
            self.files.iter().filter_map(|(set, names)| Some((set, names.get(name)?))).collect();
        match everywhere[..] {
            [] => Err(Problem::Unrecognised("there is no such trace".into())),
            [(_, path)] => Ok(path),
            [(first, _), (second, _), ..] => Err(Problem::Unrecognised(format!(
                "is in more than one set ({first}, {second}); point --traces to one of them"
            ))),
        }
    }

    /// The title of that name: a file, with or without `.json`, or a folder.
    pub(super) fn title(&self, name: &str) -> Result<Arc<Title>, ReadError> {
        let mut titles = self.read_titles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(title) = titles.get(name) {
            return Ok(title.clone());
        }
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Err(Problem::Unrecognised("is not the plain name of a title".into()).in_file(name));
        }
        let plain = self.movies.join(name);
        let json = self.movies.join(format!("{name}.json"));
        let title = Arc::new(Title::read(if json.exists() { &json } else { &plain })?);
        titles.insert(name.to_owned(), title.clone());
        Ok(title)
    }
}
