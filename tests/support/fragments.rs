//! One rendition of a film as an endless stream of CMAF chunks: the film again and again, cut anew wherever a
//! chunk is to begin.

use crate::content::{ffmpeg, run, top_level_boxes};
use bytes::Bytes;
use player::media::demux::{Demuxer, RawSample, Wanted};
use std::fs;
use std::path::Path;

use abr::presentation::Container;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The initialization segment.
    pub(crate) init: Bytes,
    /// Ticks per second.
    pub(crate) timescale: u32,
    /// Ticks per sample.
    duration: u64,
    samples: Vec<RawSample>,
}

impl Stream {
    /// Makes a file of `file` for [`of`](Self::of), with the same name in `folder`.
    pub(crate) fn prepare(file: &str, folder: &Path) {
        let flags = "+frag_keyframe+empty_moov+default_base_moof";
        let mut command = ffmpeg(folder);
        command.args(["-i", file, "-c", "copy", "-use_editlist", "0", "-movflags", flags]);
        run(command.arg(Path::new(file).file_name().expect("a file has a name")));
    }

    /// The only track of a prepared file, of which samples of `seconds` seconds are taken.
    ///
    /// # Panics
    ///
    /// When the demultiplexer cannot read it: nothing can be tested then.
    pub(crate) fn of(file: &Path, seconds: u32) -> Self {
        let bytes = Bytes::from(fs::read(file).expect("the file was prepared"));
        let boxes = top_level_boxes(&bytes);
        let (_, _, end) = boxes.iter().find(|(kind, ..)| kind == b"moov").expect("it has a movie box");
        let (init, media) = (bytes.slice(..*end), bytes.slice(*end..));
        let read = Demuxer::new().read(Container::Mp4, Some(&init), &media, Wanted::ALL);
        let read = read.expect("what ffmpeg writes can be read");
        let track = if read.video.samples.is_empty() { read.audio } else { read.video };
        let duration = track.samples.iter().map(|sample| sample.duration).max().expect("it has samples");
        let count = u64::from(seconds) * u64::from(track.timescale) / duration;
        let mut samples = track.samples;
        assert!(samples.len() as u64 >= count, "{file:?} is shorter than {seconds} s");
        samples.truncate(usize::try_from(count).expect("a film is short"));
        Self { init, timescale: track.timescale, duration, samples }
    }

    /// The first sample that begins at `ticks` or later.
    fn first_from(&self, ticks: u64) -> u64 {
        ticks.div_ceil(self.duration)
    }

    /// Ticks of the samples that begin in a span: where the first does, and how long they last.
    pub(crate) fn span(&self, from: u64, to: u64) -> (u64, u64) {
        let (first, last) = (self.first_from(from), self.first_from(to));
        (first * self.duration, (last - first) * self.duration)
    }

    /// The chunk of the samples that begin in a span, both in ticks.
    pub(crate) fn chunk(&self, from: u64, to: u64, sequence: u32) -> Bytes {
        let (first, last) = (self.first_from(from), self.first_from(to));
        let count = self.samples.len() as u64;
        let place = |at: u64| usize::try_from(at % count).expect("below the number of samples");
        let samples: Vec<&RawSample> = (first..last).map(|at| &self.samples[place(at)]).collect();
        let mut run = full_box(0, 0x0000_0601);
        run.extend(number(samples.len()));
        // Where the samples begin, from the start of the moof box; known only when that is complete.
        let offset_at = run.len();
        run.extend([0; 4]);
        for sample in &samples {
            let flags: u32 = if sample.keyframe { 0x0200_0000 } else { 0x0101_0000 };
            run.extend(number(sample.data.len()));
            run.extend(flags.to_be_bytes());
        }
        let mut header = full_box(0, 0x0002_0008);
        header.extend(1u32.to_be_bytes());
        header.extend(number(usize::try_from(self.duration).expect("a sample is short")));
        let mut time = full_box(1, 0);
        time.extend((first * self.duration).to_be_bytes());
        let mut movie_header = full_box(0, 0);
        movie_header.extend(sequence.to_be_bytes());
        let before_run = [boxed(b"tfhd", &header), boxed(b"tfdt", &time)].concat();
        let movie_header = boxed(b"mfhd", &movie_header);
        let size = 8 + movie_header.len() + 8 + before_run.len() + 8 + run.len();
        run[offset_at..offset_at + 4].copy_from_slice(&number(size + 8));
        let fragment = boxed(b"traf", &[before_run, boxed(b"trun", &run)].concat());
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.data.iter().copied()).collect();
        [boxed(b"moof", &[movie_header, fragment].concat()), boxed(b"mdat", &data)].concat().into()
    }
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("a chunk is small").to_be_bytes()
}

fn full_box(version: u8, flags: u32) -> Vec<u8> {
    (u32::from(version) << 24 | flags).to_be_bytes().to_vec()
}

fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&number(payload.len() + 8), &kind[..], payload].concat()
}
