//! Answers that are made up as they are asked for, because they depend on when that is.

use bytes::Bytes;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// This.
    Bytes(Bytes),
    /// A body that is produced while it is sent: each piece leaves when it is there.
    Pieces(Vec<(Instant, Bytes)>),
    /// Nothing yet: the same question again after so long.
    Wait(Duration),
    /// Nothing.
    Missing,
    /// What lies in the site's folder.
    File,
}

/// Makes up answers.
pub trait Source: Debug + Send + Sync {
    /// The answer to a request for `target`, path and query without leading slash.
    fn serve(&self, target: &str) -> Served;
}

/// The answer of a source, if there is one, once it has made up its mind.
pub(crate) async fn answer(source: Option<&dyn Source>, target: &str) -> Served {
    let Some(source) = source else { return Served::File };
    loop {
        match source.serve(target) {
            Served::Wait(span) => tokio::time::sleep(span).await,
            made => return made,
        }
    }
}
