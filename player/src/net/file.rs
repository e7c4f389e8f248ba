//! `file:` addresses: a title on this machine, and what lies below its folder.

use super::body::{Meter, ceiling};
use super::policy::Policy;
use super::{Got, Request, failure};
use abr::protocol::{Failure, FailureKind};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Reads the bytes that `request` asks for.
pub(super) async fn read(policy: &Policy, request: &Request, meter: &Meter) -> Result<Got, Failure> {
    let failed = |kind, what: &str| failure::new(kind, &request.url, what);
    let path = policy.file(&request.url).map_err(|why| failed(FailureKind::Forbidden, &why.to_string()))?;
    let range = request.range;
    let limit = ceiling(request);
    let read = tokio::task::spawn_blocking(move || read_file(&path, range, limit)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            // The codes of HTTP, so that a missing file is treated as any missing segment.
            let kind = match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => FailureKind::Status(404),
                ErrorKind::PermissionDenied => FailureKind::Status(403),
                ErrorKind::FileTooLarge => FailureKind::TooLarge,
                ErrorKind::UnexpectedEof => FailureKind::Truncated,
                _ => FailureKind::Connect,
            };
            return Err(failed(kind, &error.to_string()));
        }
        Err(error) => return Err(failed(FailureKind::Connect, &error.to_string())),
    };
    meter.add(body.len() as u64);
    Ok(Got { body: Bytes::from(body), url: request.url.clone(), content_type: None })
}

fn read_file(path: &Path, range: Option<(u64, Option<u64>)>, limit: u64) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "not a regular file"));
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (first, last) = match range {
        Some((first, last)) => (first, last.unwrap_or(u64::MAX)),
        None => (0, u64::MAX),
    };
    let end = last.saturating_add(1).min(length);
    let wanted = end.saturating_sub(first);
    if wanted > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("more than {limit} bytes")));
    }
    if first >= length && length > 0 {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the file ends before the range"));
    }
    file.seek(SeekFrom::Start(first))?;
    let mut body = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    file.take(wanted).read_to_end(&mut body)?;
    Ok(body)
}
