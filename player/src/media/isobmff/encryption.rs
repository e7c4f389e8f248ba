//! Common encryption (ISO/IEC 23001-7): track defaults (`tenc`), sample groups (`seig`) and the auxiliary
//! information of samples (`senc`, or wherever `saio` points), PIFF's older spelling included.

use super::boxes::{self, CONTAINER, Mp4Box};
use crate::media::bytes::Cursor;
use crate::media::error::MediaError;
use crate::media::sample::{FourCc, Protection, SampleProtection};
use bytes::Bytes;
use std::sync::Arc;

/// `uuid` type of PIFF's track encryption box.
const PIFF_TENC: [u8; 16] = *b"\x89\x74\xdb\xce\x7b\xe7\x4c\x51\x84\xf9\x71\x48\xf9\x88\x25\x54";
/// `uuid` type of PIFF's sample encryption box.
const PIFF_SENC: [u8; 16] = *b"\xa2\x39\x4f\x52\x5a\x9b\x4f\x14\xa2\x44\x6c\x42\x7c\x64\x8d\xf4";

/// Encryption of a sample as `tenc` and `seig` spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defaults {
    protected: bool,
    iv_size: u8,
    kid: [u8; 16],
    constant_iv: Option<Bytes>,
    crypt_blocks: u8,
    skip_blocks: u8,
}

impl Defaults {
    /// Reads the fields from the pattern byte on.
    fn parse(fields: &mut Cursor<'_>, pattern: bool) -> Result<Self, MediaError> {
        let blocks = fields.u8()?;
        let protected = fields.u8()? != 0;
        let iv_size = fields.u8()?;
        let kid = fields.kid()?;
        if !matches!(iv_size, 0 | 8 | 16) {
            return Err(fields.malformed("an initialization vector has an impossible size"));
        }
        let constant_iv = if protected && iv_size == 0 {
            let size = fields.u8()?;
            if !matches!(size, 8 | 16) {
                return Err(fields.malformed("an initialization vector has an impossible size"));
            }
            Some(Bytes::copy_from_slice(fields.take(usize::from(size))?))
        } else {
            None
        };
        let (crypt_blocks, skip_blocks) = if pattern { (blocks >> 4, blocks & 15) } else { (0, 0) };
        Ok(Self { protected, iv_size, kid, constant_iv, crypt_blocks, skip_blocks })
    }

    fn of(protection: &Protection) -> Self {
        Self {
            protected: protection.protected,
            iv_size: protection.iv_size,
            kid: protection.default_kid,
            constant_iv: protection.constant_iv.clone(),
            crypt_blocks: protection.crypt_blocks,
            skip_blocks: protection.skip_blocks,
        }
    }
}

/// Whether a box is `kind` or PIFF's `uuid` box of the same meaning, and its fields.
fn either<'a>(found: &Mp4Box<'a>, kind: &[u8; 4], uuid: &[u8; 16]) -> Option<Cursor<'a>> {
    let mut fields = found.fields();
    if found.kind == *kind {
        return Some(fields);
    }
    let named = &found.kind == b"uuid" && fields.take(16).is_ok_and(|name| name == uuid);
    named.then_some(fields)
}

/// The original type of an encrypted entry and its encryption, from the `sinf` boxes `skip` bytes into it.
pub(super) fn parse_scheme(entry: &Mp4Box<'_>, skip: usize) -> Result<([u8; 4], Protection), MediaError> {
    let malformed = |what| MediaError::Malformed { container: CONTAINER, at: entry.start, what };
    // A track may list several schemes; the first whose parameters are there wins.
    for sinf in entry.children(skip) {
        let sinf = sinf?;
        if &sinf.kind != b"sinf" {
            continue;
        }
        let kind = match sinf.child(b"frma")? {
            Some(original) => original.fields().fourcc()?,
            None => return Err(malformed("an encrypted entry does not name its codec")),
        };
        let Some(scheme) = sinf.child(b"schm")? else { continue };
        let scheme = FourCc(scheme.full()?.2.fourcc()?);
        let Some(information) = sinf.child(b"schi")? else { continue };
        for child in information.children(0) {
            let Some(mut fields) = either(&child?, b"tenc", &PIFF_TENC) else { continue };
            let version = fields.u8()?;
            fields.skip(4)?;
            let defaults = Defaults::parse(&mut fields, version > 0)?;
            let protection = Protection {
                scheme,
                protected: defaults.protected,
                default_kid: defaults.kid,
                iv_size: defaults.iv_size,
                constant_iv: defaults.constant_iv,
                crypt_blocks: defaults.crypt_blocks,
                skip_blocks: defaults.skip_blocks,
            };
            return Ok((kind, protection));
        }
    }
    Err(malformed("an encrypted entry has no scheme information"))
}

/// The `pssh` boxes of a segment or initialization segment (8.1), one after the other: at the top, in `moov`
/// and in `moof`.
pub(in crate::media) fn pssh_boxes(data: &[u8]) -> Result<Vec<u8>, MediaError> {
    let budget = boxes::budget();
    let mut found = Vec::new();
    let mut keep = |one: &Mp4Box<'_>| {
        if &one.kind == b"pssh" {
            found.extend_from_slice(data.get(one.start..one.end()).unwrap_or_default());
        }
    };
    for outer in boxes::top_level(data, &budget) {
        let outer = outer?;
        keep(&outer);
        if matches!(&outer.kind, b"moov" | b"moof") {
            for child in outer.children(0) {
                keep(&child?);
            }
        }
    }
    Ok(found)
}

/// The `seig` descriptions among the children of a box.
pub(super) fn parse_groups(parent: &Mp4Box<'_>) -> Result<Vec<Defaults>, MediaError> {
    let mut groups = Vec::new();
    for child in parent.children(0) {
        let child = child?;
        if &child.kind != b"sgpd" {
            continue;
        }
        let (version, _, mut fields) = child.full()?;
        if &fields.fourcc()? != b"seig" {
            continue;
        }
        let length = if version >= 1 { fields.u32()? } else { 0 };
        if version >= 2 {
            fields.skip(4)?;
        }
        for _ in 0..fields.u32()? {
            if version >= 1 && length == 0 {
                fields.skip(4)?;
            }
            fields.skip(1)?;
            groups.push(Defaults::parse(&mut fields, true)?);
        }
    }
    Ok(groups)
}

/// The encryption of the samples of one track fragment, in order.
pub(super) struct Samples<'a> {
    defaults: Defaults,
    track_groups: &'a [Defaults],
    own_groups: Vec<Defaults>,
    /// Runs of (samples, description), as `sbgp` has them.
    runs: std::iter::Peekable<std::vec::IntoIter<(u32, u32)>>,
    auxiliary: Option<Auxiliary<'a>>,
}

/// The auxiliary information of samples, one piece after the other.
struct Auxiliary<'a> {
    fields: Cursor<'a>,
    /// Bytes per sample where `saiz` tells.
    sizes: Vec<u8>,
    equal_size: u8,
    has_subsamples: bool,
    next: usize,
}

impl<'a> Samples<'a> {
    /// Reads what `traf` says; `file` and `base` are where `saio` counts from.
    pub(super) fn parse(
        traf: &Mp4Box<'a>,
        protection: &Protection,
        track_groups: &'a [Defaults],
        file: &'a [u8],
        base: u64,
    ) -> Result<Self, MediaError> {
        let mut defaults = Defaults::of(protection);
        let (mut runs, mut sizes, mut equal_size) = (Vec::new(), Vec::new(), 0);
        let (mut offset, mut described) = (None, None);
        for child in traf.children(0) {
            let child = child?;
            match &child.kind {
                b"sbgp" => {
                    let (version, _, mut fields) = child.full()?;
                    if &fields.fourcc()? == b"seig" {
                        fields.skip(if version == 1 { 4 } else { 0 })?;
                        for _ in 0..fields.u32()? {
                            runs.push((fields.u32()?, fields.u32()?));
                        }
                    }
                }
                b"saiz" => {
                    let (_, flags, mut fields) = child.full()?;
                    fields.skip(if flags & 1 != 0 { 8 } else { 0 })?;
                    equal_size = fields.u8()?;
                    let count = fields.u32()?;
                    if equal_size == 0 {
                        let count = (count as usize).min(fields.remaining());
                        sizes = fields.take(count)?.to_vec();
                    }
                }
                b"saio" => {
                    let (version, flags, mut fields) = child.full()?;
                    fields.skip(if flags & 1 != 0 { 8 } else { 0 })?;
                    if fields.u32()? > 0 {
                        offset = Some(if version == 0 { u64::from(fields.u32()?) } else { fields.u64()? });
                    }
                }
                _ => {}
            }
            if let Some(mut fields) = either(&child, b"senc", &PIFF_SENC) {
                let flags = fields.u32()? & 0xff_ffff;
                if flags & 1 != 0 {
                    // PIFF lets a fragment override the defaults of its track.
                    fields.skip(2)?;
                    defaults.protected = fields.u8()? != 0;
                    defaults.iv_size = fields.u8()?;
                    defaults.kid = fields.kid()?;
                }
                fields.skip(4)?;
                described = Some((fields, flags & 2 != 0));
            }
        }
        // Elsewhere in the file only the sizes say whether subsamples follow the vectors.
        let elsewhere = || {
            let begin = usize::try_from(base.checked_add(offset?)?).ok()?;
            let told = equal_size != 0 || !sizes.is_empty();
            told.then_some((Cursor::new(file.get(begin..)?, begin, CONTAINER), true))
        };
        let auxiliary = described.or_else(elsewhere).map(|(fields, has_subsamples)| Auxiliary {
            fields,
            sizes,
            equal_size,
            has_subsamples,
            next: 0,
        });
        let own_groups = parse_groups(traf)?;
        Ok(Self { defaults, track_groups, own_groups, runs: runs.into_iter().peekable(), auxiliary })
    }

    /// The encryption of the next sample, `None` for a clear one.
    pub(super) fn next(&mut self) -> Result<Option<Arc<SampleProtection>>, MediaError> {
        while self.runs.next_if(|(left, _)| *left == 0).is_some() {}
        let group = match self.runs.peek_mut() {
            Some((left, description)) => {
                *left -= 1;
                *description
            }
            None => 0,
        };
        // Above 65536 descriptions of the fragment, below those of the track, zero: the defaults.
        let described = match group.checked_sub(0x1_0000) {
            Some(own) => self.own_groups.get((own as usize).wrapping_sub(1)),
            None => self.track_groups.get((group as usize).wrapping_sub(1)),
        };
        let defaults = described.unwrap_or(&self.defaults);
        let (own_iv, subsamples) = match &mut self.auxiliary {
            Some(auxiliary) => auxiliary.next(defaults)?,
            None => (Bytes::new(), Vec::new()),
        };
        if !defaults.protected {
            return Ok(None);
        }
        let iv = match &defaults.constant_iv {
            Some(constant) if own_iv.is_empty() => constant.clone(),
            _ => own_iv,
        };
        Ok(Some(Arc::new(SampleProtection {
            kid: defaults.kid,
            iv,
            subsamples,
            crypt_blocks: defaults.crypt_blocks,
            skip_blocks: defaults.skip_blocks,
        })))
    }
}

impl Auxiliary<'_> {
    /// Vector and subsamples of the next sample.
    fn next(&mut self, defaults: &Defaults) -> Result<(Bytes, Vec<(u16, u32)>), MediaError> {
        let nothing = (Bytes::new(), Vec::new());
        let size =
            if self.equal_size != 0 { Some(self.equal_size) } else { self.sizes.get(self.next).copied() };
        self.next += 1;
        let iv_size = usize::from(defaults.iv_size);
        let subsamples = match size {
            // Clear samples have no information, in spite of what the track says.
            Some(0) => return Ok(nothing),
            Some(size) => usize::from(size) > iv_size,
            None if !defaults.protected || self.fields.remaining() == 0 => return Ok(nothing),
            None => self.has_subsamples,
        };
        let iv = Bytes::copy_from_slice(self.fields.take(iv_size)?);
        let mut list = Vec::new();
        if subsamples && self.has_subsamples {
            for _ in 0..self.fields.u16()? {
                list.push((self.fields.u16()?, self.fields.u32()?));
            }
        }
        Ok((iv, list))
    }
}
