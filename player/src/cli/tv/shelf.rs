//! Reads the list of titles, from a file or from a server.

use super::super::{address, fatal};
use crate::ui::tv::shelf::{self, SHELF_BYTES, Title};
use abr::error::{Code, Error};
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use url::Url;

/// How long a shelf may take to come.
const SHELF_PATIENCE: Duration = Duration::from_secs(10);

/// Reads the shelf that stands at `text`, or the one with the demo title alone.
///
/// # Errors
/// [`Code::Unreachable`] when it cannot be read, [`Code::NotAManifest`] when it is no shelf.
pub(super) fn titles(text: Option<&str>) -> Result<Vec<Title>, Error> {
    match text {
        Some(text) => shelf::parse(&fetch(&address(text)?)?).map_err(|why| fatal(Code::NotAManifest, why)),
        None => Ok(vec![Title::demo()]),
    }
}

fn fetch(url: &Url) -> Result<Vec<u8>, Error> {
    let failed = |why: String| fatal(Code::Unreachable, format!("The shelf cannot be read: {why}."));
    if let Ok(path) = url.to_file_path() {
        let file = File::open(&path).map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(SHELF_BYTES).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        return Ok(bytes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    runtime.block_on(async {
        let whole = async {
            let client =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5)).build()?;
            let mut answer = client.get(url.clone()).send().await?.error_for_status()?;
            let mut bytes = Vec::new();
            while let Some(part) = answer.chunk().await? {
                bytes.extend_from_slice(&part);
                if bytes.len() as u64 > SHELF_BYTES {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(bytes)
        };
        match tokio::time::timeout(SHELF_PATIENCE, whole).await {
            Ok(read) => read.map_err(|error| failed(error.without_url().to_string())),
            Err(_) => Err(failed("the server takes too long".into())),
        }
    })
}
