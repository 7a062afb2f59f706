use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::in_time;

/// A port that refuses whoever comes, and that nobody else is given.
pub struct ClosedPort(TcpSocket);

impl ClosedPort {
    /// Where somebody listened until now. A program that another test is just starting holds that for a moment longer: what a
    /// process has open, its child has until it becomes the program.
    pub async fn at(address: SocketAddr) -> Self {
        in_time(async {
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                match socket.bind(address) {
                    Ok(()) => return Self(socket),
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        tokio::task::yield_now().await;
                    }
                    Err(error) => panic!("{address}: {error}"),
                }
            }
        })
        .await
    }

    pub fn open(self) -> TcpListener {
        self.0.listen(1024).unwrap()
    }
}
