//! Reserved ports.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::net::TcpSocket;

use crate::{Result, error::IoContext};

/// A port for a program that listens later, and possibly again. As long as this value lives, the
/// kernel does not assign the port to another process that asks for any port, and a connection is
/// refused while no process listens.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Bound and not listening, with `SO_REUSEADDR`: a program that knows the number may listen
    /// with the same option, which Go, std and tokio set.
    _held: TcpSocket,
}

impl Port {
    /// Asks the kernel for a port of this address.
    pub fn free(address: Ipv4Addr) -> Result<Self> {
        let hold = || -> std::io::Result<Self> {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((address, 0)))?;
            Ok(Self { number: socket.local_addr()?.port(), _held: socket })
        };
        hold().at("hold a port of", address.to_string())
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(formatter)
    }
}

/// One port for each listening socket of the control plane; kept over restarts of a component.
#[derive(Debug)]
pub(crate) struct Ports {
    pub etcd: Port,
    pub etcd_peer: Port,
    pub api_server: Port,
    pub controller_manager: Port,
    pub scheduler: Port,
}

impl Ports {
    /// The API server's port belongs to its own address, the others to loopback.
    pub fn free(api_server: Ipv4Addr) -> Result<Self> {
        Ok(Self {
            etcd: Port::free(Ipv4Addr::LOCALHOST)?,
            etcd_peer: Port::free(Ipv4Addr::LOCALHOST)?,
            api_server: Port::free(api_server)?,
            controller_manager: Port::free(Ipv4Addr::LOCALHOST)?,
            scheduler: Port::free(Ipv4Addr::LOCALHOST)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Result},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Binds as the kernel does for a process that names no port: a bound port is not free.
    fn taken(port: &Port) -> Result<()> {
        let other = TcpSocket::new_v4()?;
        other.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port.number)))
    }

    #[test]
    fn a_port_stays_reserved_between_its_listeners() {
        let port = Port::free(Ipv4Addr::LOCALHOST).unwrap();
        let address = format!("127.0.0.1:{port}");
        for _ in 0..2 {
            assert_eq!(taken(&port).unwrap_err().kind(), ErrorKind::AddrInUse);
            assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(&address).unwrap();
            TcpStream::connect(&address).unwrap();
            drop(listener);
        }
        assert_eq!(taken(&port).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
