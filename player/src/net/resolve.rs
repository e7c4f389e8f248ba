//! Names to addresses, through the system's resolver, filtered by the session's policy.

use super::policy::Policy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use std::sync::Arc;

/// A resolver that gives only addresses which may be connected to.
pub(super) struct Resolver {
    /// Decides.
    pub(super) policy: Arc<Policy>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            // Port 0 is replaced by the one of the address that is asked for.
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = policy.admit(&host, found.map(|address| address.ip()).collect())?;
            Ok(Box::new(allowed.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}
