//! A DNS server on loopback that says what a test tells it to, and counts what it is asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// What it says of every name.
#[derive(Clone, Debug)]
pub enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// That it stands for another name, which has these addresses, for so many seconds.
    Alias(Vec<IpAddr>, u32),
    /// That there is no such name.
    NoSuchName,
    /// That it cannot tell.
    Failure,
    /// Nothing.
    Nothing,
}

/// It runs until it is dropped.
pub struct Dns {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: watch::Receiver<usize>,
    answering: tokio::task::JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

impl Dns {
    pub async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
        let address = socket.local_addr().expect("is bound");
        let (says, (count, asked)) = (Arc::new(Mutex::new(says)), watch::channel(0));
        let script = Arc::clone(&says);
        let answering = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                count.send_modify(|count| *count += 1);
                let answer = answer(&question[..length], &script.lock());
                if let Some(answer) = answer {
                    socket.send_to(&answer, from).await.expect("can be sent");
                }
            }
        });
        Self { address, says, asked, answering }
    }

    /// From now on.
    pub fn say(&self, says: Says) {
        *self.says.lock() = says;
    }

    /// How many questions came: two for each lookup, one for each family.
    pub fn asked(&self) -> usize {
        *self.asked.borrow()
    }
}

/// RFC 1035 §4.1: the question again, and what there is to say of it.
fn answer(question: &[u8], says: &Says) -> Option<Vec<u8>> {
    let name = question[12..].iter().position(|byte| *byte == 0).expect("a name ends");
    let end = 12 + name + 5;
    let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
    let (code, addresses, time_to_live) = match says {
        Says::Addresses(addresses, time_to_live) | Says::Alias(addresses, time_to_live) => {
            (0, addresses.as_slice(), *time_to_live)
        }
        Says::NoSuchName => (3, &[][..], 0),
        Says::Failure => (2, &[][..], 0),
        Says::Nothing => return None,
    };
    let of_kind: Vec<_> = addresses.iter().filter(|address| (kind == 28) == address.is_ipv6()).collect();
    let is_alias = matches!(says, Says::Alias(..));
    let mut answer = question[..2].to_vec();
    let count = u8::try_from(of_kind.len()).expect("are few") + u8::from(is_alias);
    answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    let mut owner = [0xc0, 12];
    if is_alias {
        let other = b"\x05other\x04test\0";
        answer.extend([0xc0, 12, 0, 5, 0, 1]);
        answer.extend(time_to_live.to_be_bytes());
        answer.extend([0, u8::try_from(other.len()).expect("is short")]);
        owner[1] = u8::try_from(answer.len()).expect("is short");
        answer.extend(other);
    }
    for address in of_kind {
        let octets = match address {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        answer.extend(owner);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(time_to_live.to_be_bytes());
        answer.extend([0, u8::try_from(octets.len()).expect("4 or 16")]);
        answer.extend(octets);
    }
    Some(answer)
}
