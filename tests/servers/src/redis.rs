use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    process::Process,
    system::{free_port, in_path, own_folder},
};

/// A Redis server, or Valkey, its descendant with the same protocol.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    port: u16,
    /// `None` while it is stopped.
    process: Option<Process>,
}

/// A Redis cluster, whose nodes share the slots of the keys. There are no replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

/// What a Redis server keeps when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    None,
    /// All that it acknowledged, in an append-only file.
    AppendOnlyFile,
}

impl Redis {
    /// The server's program, if it is installed.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        in_path("redis-server").or_else(|| in_path("valkey-server"))
    }

    /// Starts an empty server with a folder of its own in `parent`.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not come up; the error holds what it said.
    pub fn start(parent: &Path, persistence: Persistence) -> Result<Self> {
        Self::start_with(parent, persistence, &[])
    }

    fn start_with(parent: &Path, persistence: Persistence, options: &[&str]) -> Result<Self> {
        let program = Self::program().context("Redis is not installed")?;
        let folder = own_folder(parent, "redis")?;
        let append = if persistence == Persistence::AppendOnlyFile { "yes" } else { "no" };
        let arguments = [
            ["--bind", "127.0.0.1"],
            ["--save", ""],
            ["--appendonly", append],
            // By default, a write may wait for two seconds while another one is forced to the disk.
            ["--appendfsync", "always"],
        ]
        .concat();
        let mut arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let mut server = Self { program, folder, arguments, port: 0, process: None };
        let mut last = None;
        // Between finding a free port and taking it, another process may take it.
        for _ in 0..3 {
            server.port = free_port_of_redis()?;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("Redis does not start")))
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Where all that it keeps is, its logs too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the server at once.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it after [`stop`](Self::stop), at the same port, with what it kept.
    ///
    /// # Errors
    ///
    /// When it does not come up; the error holds what it said.
    pub fn start_again(&mut self) -> Result<()> {
        let mut arguments = vec!["--port".to_owned(), self.port.to_string()];
        arguments.extend_from_slice(&self.arguments);
        let mut process = Process::start(&self.program, &arguments, &self.folder, None, "KILL")?;
        process
            .wait_until("answer", |_| self.command("PING").is_ok_and(|reply| reply.starts_with("+PONG")))?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops the server without ending it: connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.signal("STOP")
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.signal("CONT")
    }

    /// Sends a command without spaces in its words, and returns the beginning of the reply.
    fn command(&self, command: &str) -> Result<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(format!("{command}\r\n").as_bytes())?;
        let mut reply = [0; 4096];
        let length = connection.read(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const SLOTS: usize = 16384;

impl RedisCluster {
    /// Starts a cluster of so many nodes, each with a folder of its own in `parent`. One node alone refuses what a larger cluster would
    /// refuse: commands and scripts with keys of two slots.
    ///
    /// # Errors
    ///
    /// As for [`Redis::start`].
    pub fn start(parent: &Path, nodes: usize) -> Result<Self> {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<_> = (0..nodes)
            .map(|_| Redis::start_with(parent, Persistence::AppendOnlyFile, &options))
            .collect::<Result<_>>()?;
        let cluster = Self { nodes };
        for (index, node) in cluster.nodes.iter().enumerate() {
            let (first, end) =
                (index * SLOTS / cluster.nodes.len(), (index + 1) * SLOTS / cluster.nodes.len());
            node.command(&format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1))?;
            node.command(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1))?;
            if index > 0 {
                node.command(&format!("CLUSTER MEET 127.0.0.1 {}", cluster.nodes[0].port))?;
            }
        }
        cluster.wait()?;
        Ok(cluster)
    }

    /// Waits until each node knows of all others and of all slots.
    fn wait(&self) -> Result<()> {
        let known = format!("cluster_known_nodes:{}\r", self.nodes.len());
        for node in &self.nodes {
            let mut is_ready = false;
            for _ in 0..1500 {
                let info = node.command("CLUSTER INFO")?;
                is_ready = info.contains("cluster_state:ok") && info.contains(&known);
                if is_ready {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            anyhow::ensure!(is_ready, "the cluster did not come up: {}", node.command("CLUSTER INFO")?);
        }
        Ok(())
    }

    /// Where clients connect: any of the nodes tells of the others.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Ends a node at once, and with it all that is in its slots, until [`start_again`](Self::start_again).
    pub fn stop(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.stop();
        }
    }

    /// Starts a node after [`stop`](Self::stop), with what it kept.
    ///
    /// # Errors
    ///
    /// When it does not come up; the error holds what it said.
    pub fn start_again(&mut self, node: usize) -> Result<()> {
        self.nodes.get_mut(node).context("the cluster has no such node")?.start_again()?;
        self.wait()
    }
}

/// A free port for a server that may listen to the others of its cluster 10,000 ports further.
fn free_port_of_redis() -> Result<u16> {
    for _ in 0..100 {
        let port = free_port()?;
        if port < 55_000 {
            return Ok(port);
        }
    }
    anyhow::bail!("no port below 55000 is free")
}
