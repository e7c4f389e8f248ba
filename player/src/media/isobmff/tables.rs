//! Sample tables of a file without fragments (ISO/IEC 14496-12, 8.6 and 8.7), read lazily: nothing is
//! allocated that the boxes do not hold.

use super::boxes::{CONTAINER, Mp4Box};
use crate::limits;
use crate::media::error::MediaError;

/// Time, size and place of the samples of a track.
#[derive(Debug, Default)]
pub(crate) struct SampleTable {
    /// Runs of (samples, ticks each).
    durations: Vec<(u32, u32)>,
    /// Runs of (samples, composition offset).
    offsets: Vec<(u32, i32)>,
    /// Numbers of sync samples, from one; `None`: all of them.
    sync: Option<Vec<u32>>,
    /// Bytes of each sample.
    sizes: Sizes,
    /// Runs of (first chunk from one, samples per chunk, sample entry from one).
    chunk_runs: Vec<(u32, u32, u32)>,
    /// File offset of each chunk.
    chunks: Vec<u64>,
}

#[derive(Debug, Default)]
enum Sizes {
    #[default]
    None,
    Equal {
        size: u32,
        count: u32,
    },
    Each(Vec<u32>),
}

/// One sample of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableSample {
    pub dts: i64,
    pub composition_offset: i32,
    pub duration: u32,
    pub keyframe: bool,
    pub offset: u64,
    pub size: u32,
    pub description: u32,
}

impl SampleTable {
    /// Reads the tables that `stbl` holds; a fragmented file has empty ones.
    pub(crate) fn parse(stbl: &Mp4Box<'_>) -> Result<Self, MediaError> {
        let mut table = Self::default();
        for child in stbl.children(0) {
            let child = child?;
            let counted = |skip: usize| -> Result<(u32, crate::media::bytes::Cursor<'_>), MediaError> {
                let (_, _, mut fields) = child.full()?;
                fields.skip(skip)?;
                Ok((fields.u32()?, fields))
            };
            // Vectors grow as entries are read, so that a count alone reserves nothing.
            match &child.kind {
                b"stts" => {
                    let (count, mut fields) = counted(0)?;
                    for _ in 0..count {
                        table.durations.push((fields.u32()?, fields.u32()?));
                    }
                }
                b"ctts" => {
                    let (count, mut fields) = counted(0)?;
                    for _ in 0..count {
                        table.offsets.push((fields.u32()?, fields.i32()?));
                    }
                }
                b"stss" => {
                    let (count, mut fields) = counted(0)?;
                    let mut sync = Vec::new();
                    for _ in 0..count {
                        sync.push(fields.u32()?);
                    }
                    table.sync = Some(sync);
                }
                b"stsz" => {
                    let (size, mut fields) = counted(0)?;
                    let count = fields.u32()?;
                    table.sizes = if size != 0 {
                        Sizes::Equal { size, count }
                    } else {
                        let mut sizes = Vec::new();
                        for _ in 0..count {
                            sizes.push(fields.u32()?);
                        }
                        Sizes::Each(sizes)
                    };
                }
                b"stz2" => table.sizes = compact_sizes(&child)?,
                b"stsc" => {
                    let (count, mut fields) = counted(0)?;
                    for _ in 0..count {
                        table.chunk_runs.push((fields.u32()?, fields.u32()?, fields.u32()?));
                    }
                }
                b"stco" => {
                    let (count, mut fields) = counted(0)?;
                    for _ in 0..count {
                        table.chunks.push(u64::from(fields.u32()?));
                    }
                }
                b"co64" => {
                    let (count, mut fields) = counted(0)?;
                    for _ in 0..count {
                        table.chunks.push(fields.u64()?);
                    }
                }
                _ => {}
            }
        }
        Ok(table)
    }

    /// How many samples the table describes.
    pub(crate) fn len(&self) -> usize {
        match &self.sizes {
            Sizes::None => 0,
            Sizes::Equal { count, .. } => *count as usize,
            Sizes::Each(sizes) => sizes.len(),
        }
    }

    /// All samples in decoding order.
    pub(crate) fn samples(&self) -> Result<Vec<TableSample>, MediaError> {
        let count = self.len();
        if count > limits::SAMPLES {
            return Err(MediaError::TooMany { what: "samples", limit: limits::SAMPLES });
        }
        let mut samples = Vec::with_capacity(count);
        let mut durations = Runs::new(&self.durations);
        let mut offsets = Runs::new(&self.offsets);
        let mut sync = self.sync.as_deref().map(|numbers| numbers.iter().copied().peekable());
        let mut runs = self.chunk_runs.iter().peekable();
        let mut run = (1, 0, 1);
        let mut dts = 0i64;
        for (number, offset) in (1u32..).zip(&self.chunks) {
            while let Some(next) = runs.next_if(|(first, _, _)| *first <= number) {
                run = *next;
            }
            let mut offset = *offset;
            for _ in 0..run.1 {
                let place = samples.len();
                if place == count {
                    return Ok(samples);
                }
                let size = match &self.sizes {
                    Sizes::Each(sizes) => sizes[place],
                    Sizes::Equal { size, .. } => *size,
                    Sizes::None => 0,
                };
                let duration = durations.next().unwrap_or(0);
                let keyframe = match &mut sync {
                    None => true,
                    Some(numbers) => {
                        while numbers.next_if(|n| (*n as usize) < place + 1).is_some() {}
                        numbers.next_if(|n| *n as usize == place + 1).is_some()
                    }
                };
                samples.push(TableSample {
                    dts,
                    composition_offset: offsets.next().unwrap_or(0),
                    duration,
                    keyframe,
                    offset,
                    size,
                    description: run.2,
                });
                dts = dts.saturating_add(i64::from(duration));
                offset = offset.saturating_add(u64::from(size));
            }
        }
        if samples.len() < count {
            return Err(MediaError::Malformed {
                container: CONTAINER,
                at: 0,
                what: "the chunks hold fewer samples than the sample table names",
            });
        }
        Ok(samples)
    }
}

/// `stz2`: sizes of 4, 8 or 16 bits.
fn compact_sizes(stz2: &Mp4Box<'_>) -> Result<Sizes, MediaError> {
    let (_, _, mut fields) = stz2.full()?;
    fields.skip(3)?;
    let width = fields.u8()?;
    let count = fields.u32()?;
    let mut sizes = Vec::new();
    match width {
        4 => {
            for place in 0..count {
                if place % 2 == 0 {
                    let pair = fields.u8()?;
                    sizes.push(u32::from(pair >> 4));
                    if place + 1 < count {
                        sizes.push(u32::from(pair & 15));
                    }
                }
            }
        }
        8 => {
            for _ in 0..count {
                sizes.push(u32::from(fields.u8()?));
            }
        }
        16 => {
            for _ in 0..count {
                sizes.push(u32::from(fields.u16()?));
            }
        }
        _ => return Err(fields.malformed("sample sizes have an unknown width")),
    }
    Ok(Sizes::Each(sizes))
}

/// Unrolls (count, value) runs one value at a time.
struct Runs<'a, T> {
    runs: std::slice::Iter<'a, (u32, T)>,
    left: u32,
    value: Option<T>,
}

impl<'a, T: Copy> Runs<'a, T> {
    fn new(runs: &'a [(u32, T)]) -> Self {
        Self { runs: runs.iter(), left: 0, value: None }
    }

    /// The next value; after the last run its value for ever.
    fn next(&mut self) -> Option<T> {
        while self.left == 0 {
            match self.runs.next() {
                Some((count, value)) => (self.left, self.value) = (*count, Some(*value)),
                None => return self.value,
            }
        }
        self.left -= 1;
        self.value
    }
}
