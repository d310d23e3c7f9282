//! A proxy in front of the provider: while it drips, each reply comes byte by byte, as from a server that wants to keep a client busy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};

/// Some hundred bytes take longer than a lease lasts.
const BETWEEN_BYTES: Duration = Duration::from_millis(15);

/// A proxy that passes everything on.
pub(crate) struct Proxy {
    /// The URL of the endpoint behind it.
    pub(crate) url: String,
    drips: Arc<AtomicBool>,
}

impl Proxy {
    /// Stands in front of the server of this URL.
    pub(crate) async fn of(url: &str) -> Result<Self> {
        let authority = url.split('/').nth(2).context("the URL has a host")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = url.replacen(&authority, &listener.local_addr()?.to_string(), 1);
        let drips = Arc::new(AtomicBool::new(false));
        let is_dripping = Arc::clone(&drips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, authority.clone(), Arc::clone(&is_dripping)));
            }
        });
        Ok(Self { url, drips })
    }

    /// Begins to drip, or ends.
    pub(crate) fn set_dripping(&self, drips: bool) {
        self.drips.store(drips, Ordering::SeqCst);
    }
}

/// Until one side closes. Whatever goes wrong is for both to notice.
async fn pass_on(client: TcpStream, server: String, drips: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = reply(&mut from_server, &mut to_client, &drips) => {}
    }
}

async fn reply(
    server: &mut tcp::OwnedReadHalf,
    client: &mut tcp::OwnedWriteHalf,
    drips: &AtomicBool,
) -> Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let read = server.read(&mut bytes).await?;
        let mut left = bytes.get(..read).unwrap_or_default();
        if left.is_empty() {
            return Ok(());
        }
        while let (true, [first, rest @ ..]) = (drips.load(Ordering::SeqCst), left) {
            client.write_all(&[*first]).await?;
            tokio::time::sleep(BETWEEN_BYTES).await;
            left = rest;
        }
        client.write_all(left).await?;
    }
}
