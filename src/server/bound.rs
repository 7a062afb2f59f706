//! The sockets of one configuration: bound by this process, or passed to it by the service manager.

use std::{io, net::SocketAddr};

use listenfd::ListenFd;

use super::{socket::Socket, start_error::StartError};
use crate::config::{Config, ListenAddress, passed_socket_names};

/// The sockets of one configuration.
pub struct Bound {
    pub(super) public: Socket,
    pub(super) admin: Option<Socket>,
}

/// The sockets that the service manager passed (systemd.socket(5)), in their order. They have names where the unit says
/// `FileDescriptorName=public` or `admin`; without one, the first is the public one, and the second is for operators.
pub struct Passed {
    sockets: ListenFd,
    names: Vec<String>,
}

const PUBLIC: &str = "public";
const ADMIN: &str = "admin";

impl Passed {
    /// None.
    pub fn none() -> Self {
        Self { sockets: ListenFd::empty(), names: Vec::new() }
    }

    /// What was passed to this process. To be asked once, before it has a second thread: the variables that tell it are
    /// taken out of the environment.
    pub fn to_this_process() -> Self {
        let names = passed_socket_names();
        Self { sockets: ListenFd::from_env(), names }
    }

    /// The socket of this name, else the one at this place among those without a name of ours.
    fn take(&mut self, name: &str, place: usize) -> io::Result<Option<Socket>> {
        let named = self.names.iter().position(|given| given == name);
        let others = |given: &String| given != PUBLIC && given != ADMIN;
        let nameless = || (0..self.sockets.len()).filter(|place| self.names.get(*place).is_none_or(others)).nth(place);
        let Some(place) = named.or_else(nameless) else { return Ok(None) };
        if let Ok(Some(socket)) = self.sockets.take_tcp_listener(place) {
            return Socket::passed_tcp(socket).map(Some);
        }
        self.sockets.take_unix_listener(place)?.map(Socket::passed_unix).transpose()
    }
}

impl Bound {
    /// Listens on `server.listen` and `admin.listen`.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Self::take_over(config, Passed::none()).await
    }

    /// Listens on the sockets that were passed, and on what the settings say for those that were not.
    pub async fn take_over(config: &Config, mut passed: Passed) -> Result<Self, StartError> {
        let reuse_port = config.server.reuse_port;
        let mut listen = |setting, address: &ListenAddress, name, place| {
            let socket = passed.take(name, place).and_then(|socket| match socket {
                Some(socket) => Ok(socket),
                None => Socket::bind(address, reuse_port),
            });
            socket.map_err(|reason| StartError::Listen { setting, address: address.clone(), reason })
        };
        let public = listen("server.listen", &config.server.listen, PUBLIC, 0)?;
        let admin = config.admin.listen.as_ref();
        let admin = admin.map(|address| listen("admin.listen", address, ADMIN, 1)).transpose()?;
        // The settings were checked for the address they name; what is passed may be another.
        if let Some(address) = admin.as_ref().and_then(Socket::tcp_address)
            && !address.ip().is_loopback()
            && config.admin.token.is_empty()
        {
            let reason = "it is beyond loopback, where an admin token is needed: set admin.token_file";
            let reason = io::Error::new(io::ErrorKind::PermissionDenied, reason);
            return Err(StartError::Listen { setting: "admin.listen", address: address.into(), reason });
        }
        Ok(Self { public, admin })
    }

    /// Where callers reach it on the network, if the socket can say.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.tcp_address()
    }

    /// Where operators reach it on the network.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.tcp_address()
    }
}
