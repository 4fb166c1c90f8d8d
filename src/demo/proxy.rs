//! The proxy, in this process.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use router_proxy::Proxy;
use router_proxy::settings::{ListenAddress, Settings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the proxy may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A proxy while it runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the dashboard and the metrics are, if anywhere.
    pub http: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Binds and serves. The settings must listen on TCP.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let proxy = Proxy::bind(settings)?;
        let address = proxy
            .local_addrs()
            .into_iter()
            .find_map(|address| match address {
                ListenAddress::Tcp(address) => Some(address),
                ListenAddress::Unix(_) => None,
            })
            .context("the proxy listens on no TCP port")?;
        let http = proxy.http_addr();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                // The sender is dropped when nobody wants the proxy any longer.
                let _ = stopped.await;
            };
            Ok(proxy.serve(stopped).await?)
        });
        Ok(Self {
            address,
            http,
            stop,
            serving,
        })
    }

    /// Drains and ends it.
    pub async fn stop(self) -> anyhow::Result<()> {
        // Without a receiver it has ended already, and says how below.
        let _ = self.stop.send(());
        let ended = tokio::time::timeout(PATIENCE, self.serving).await;
        ended
            .context("the proxy did not end in time")?
            .context("the proxy panicked")?
    }
}
