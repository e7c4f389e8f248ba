//! A folder of results: rows in every format asked for, and the manifest.
//!
//! `rows.csv` and `rows.ndjson` grow while the experiment runs and can be continued; `rows.parquet` is made from
//! `rows.csv` at the end. Of several shards, only the first has a CSV header: `cat` of all is the whole.

use super::Failure;
use super::manifest::{FILE, Hashed, Manifest};
use crate::sim::experiment::hash_file;
use crate::sim::report::{Row, csv, ndjson, parquet};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// A format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RowFormat {
    /// `rows.csv`; always written, the others are made from it or beside it.
    Csv,
    /// `rows.ndjson`: one JSON object per line.
    Ndjson,
    /// `rows.parquet`.
    Parquet,
}

impl RowFormat {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Csv => "rows.csv",
            Self::Ndjson => "rows.ndjson",
            Self::Parquet => "rows.parquet",
        }
    }
}

/// Figures over the rows, beside them.
pub(super) const SUMMARY: &str = "summary.json";

/// A folder being written.
pub(super) struct Outputs {
    folder: PathBuf,
    manifest: Manifest,
    csv: BufWriter<File>,
    ndjson: Option<BufWriter<File>>,
    /// Rows that there are.
    pub(super) rows: usize,
}

/// What was found on opening a folder.
pub(super) enum Opened {
    /// Rows are to be written, from [`Outputs::rows`] on.
    Begun(Box<Outputs>),
    /// The very same experiment, complete.
    Complete,
}

impl Outputs {
    /// Opens a folder for an experiment, and continues one that was broken off there.
    pub(super) fn open(folder: &Path, manifest: Manifest, force: bool) -> Result<Opened, Failure> {
        let place = folder.join(FILE);
        let shown = folder.display();
        let mut continued = false;
        if force {
            let all = [FILE, SUMMARY].into_iter().chain(RowFormat::value_variants().iter().map(|f| f.file()));
            for file in all.map(|name| folder.join(name)).filter(|file| file.exists()) {
                fs::remove_file(file)?;
            }
        } else if place.exists() {
            let earlier = Manifest::read(&place)?;
            if let Some(difference) = earlier.difference(&manifest) {
                let said = format!("{shown} holds another experiment ({difference}); --force replaces it");
                return Err(Failure::Usage(said));
            }
            if earlier.complete {
                return Ok(Opened::Complete);
            }
            continued = true;
        } else if let Some(taken) =
            RowFormat::value_variants().iter().find(|f| folder.join(f.file()).exists())
        {
            return Err(Failure::Usage(format!(
                "{shown} holds {} already; --force replaces it",
                taken.file()
            )));
        }
        fs::create_dir_all(folder)?;
        write_whole(&place, &text(&manifest)?)?;
        Ok(Opened::Begun(Box::new(Self::begin(folder, manifest, continued)?)))
    }

    fn begin(folder: &Path, manifest: Manifest, continued: bool) -> Result<Self, Failure> {
        let with_ndjson = manifest.formats.contains(&RowFormat::Ndjson);
        let [csv_path, ndjson_path] =
            [RowFormat::Csv, RowFormat::Ndjson].map(|format| folder.join(format.file()));
        let mut rows = 0;
        if continued && csv_path.exists() {
            rows = csv_rows(&csv_path, usize::MAX)?.0;
            if with_ndjson {
                rows = rows.min(if ndjson_path.exists() { lines(&ndjson_path, usize::MAX)?.0 } else { 0 });
            }
        }
        let at = |path: &Path, offset: u64| -> io::Result<BufWriter<File>> {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
            file.set_len(offset)?;
            file.seek(io::SeekFrom::End(0))?;
            Ok(BufWriter::new(file))
        };
        let offset = if rows > 0 { csv_rows(&csv_path, rows)?.1 } else { 0 };
        let mut csv = at(&csv_path, offset)?;
        if rows == 0 && manifest.shard.0 == 1 {
            csv::header(&mut csv)?;
        }
        let ndjson = match with_ndjson {
            true => Some(at(&ndjson_path, if rows > 0 { lines(&ndjson_path, rows)?.1 } else { 0 })?),
            false => None,
        };
        Ok(Self { folder: folder.to_owned(), manifest, csv, ndjson, rows })
    }

    /// Adds a row.
    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        csv::write(&mut self.csv, row)?;
        if let Some(out) = &mut self.ndjson {
            ndjson::write(out, row)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Where the rows can be read, after they have been written out.
    pub(super) fn flushed(&mut self) -> io::Result<PathBuf> {
        self.csv.flush()?;
        if let Some(out) = &mut self.ndjson {
            out.flush()?;
        }
        Ok(self.folder.join(RowFormat::Csv.file()))
    }

    /// Ends with what there is, and says so in the manifest.
    pub(super) fn close(mut self, summary: Option<&str>) -> Result<Manifest, Failure> {
        let rows = self.flushed()?;
        let mut files = vec![RowFormat::Csv.file()];
        if self.ndjson.is_some() {
            files.push(RowFormat::Ndjson.file());
        }
        if self.manifest.formats.contains(&RowFormat::Parquet) {
            let name = RowFormat::Parquet.file();
            to_parquet(&rows, &self.folder.join(name))?;
            files.push(name);
        }
        if let Some(summary) = summary {
            write_whole(&self.folder.join(SUMMARY), summary)?;
            files.push(SUMMARY);
        }
        let hashed = |name: &&str| {
            Ok(Hashed { file: (*name).to_owned(), sha256: hash_file(&self.folder.join(name))? })
        };
        self.manifest.outputs = files.iter().map(hashed).collect::<io::Result<_>>()?;
        self.manifest.rows = self.rows;
        self.manifest.complete = self.rows == self.manifest.rows_planned;
        write_whole(&self.folder.join(FILE), &text(&self.manifest)?)?;
        Ok(self.manifest)
    }
}

fn text(manifest: &Manifest) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(manifest).map_err(io::Error::from)? + "\n")
}

/// Writes beside the place and moves it there, so that a reader never sees half a file.
pub(super) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let part = part(path);
    fs::write(&part, text)?;
    fs::rename(&part, path)
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn to_parquet(rows: &Path, place: &Path) -> Result<(), Failure> {
    let mut reader = csv::Reader::new(rows, BufReader::new(File::open(rows)?))?;
    let part = part(place);
    let mut writer = parquet::Writer::new(BufWriter::new(File::create(&part)?))?;
    while let Some(row) = reader.read_row()? {
        writer.write(row)?;
    }
    writer.finish()?;
    Ok(fs::rename(&part, place)?)
}

/// Complete rows of a CSV file, at most `most`, and the byte at which they end.
fn csv_rows(path: &Path, most: usize) -> Result<(usize, u64), Failure> {
    let mut reader = csv::Reader::new(path, BufReader::new(File::open(path)?))?;
    let mut rows = 0;
    while rows < most && reader.read_row()?.is_some() {
        rows += 1;
    }
    Ok((rows, reader.offset()))
}

/// Complete lines of a file, at most `most`, and the byte at which they end.
fn lines(path: &Path, most: usize) -> io::Result<(usize, u64)> {
    let mut input = BufReader::new(File::open(path)?);
    let (mut count, mut offset, mut line) = (0, 0, Vec::new());
    while count < most {
        line.clear();
        input.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        count += 1;
        offset += line.len() as u64;
    }
    Ok((count, offset))
}
