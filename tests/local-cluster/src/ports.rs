//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};

use crate::{Result, error::IoContext};

/// One port for each listening socket of the control plane; kept over restarts of a component.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub api_server: u16,
    pub controller_manager: u16,
    pub scheduler: u16,
}

impl Ports {
    /// Asks the kernel. All are held until the last is known, so they differ; another program may still take one before it
    /// is used, and then that component's log says so.
    pub fn free() -> Result<Self> {
        let mut held = Vec::new();
        let mut next = || -> Result<u16> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).at("bind", "127.0.0.1:0")?;
            let port = listener.local_addr().at("bind", "127.0.0.1:0")?.port();
            held.push(listener);
            Ok(port)
        };
        Ok(Self {
            etcd: next()?,
            etcd_peer: next()?,
            api_server: next()?,
            controller_manager: next()?,
            scheduler: next()?,
        })
    }
}
