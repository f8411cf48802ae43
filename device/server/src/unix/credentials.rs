use std::{fs, io};

use device_key::{LocalPeer, OwnerUid, Peer, PeerProcess, Transport};
use tokio::net::UnixStream;

/// What the kernel shows for a user id that has no place in our user namespace, where
/// /proc/sys/kernel/overflowuid cannot be read (`DEFAULT_OVERFLOWUID`, linux/highuid.h).
const DEFAULT_OVERFLOW_UID: u32 = 65_534;

/// Who connected, as the kernel recorded it when they did (`SO_PEERCRED`, unix(7)). Only a
/// connected socket makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    owner: OwnerUid,
    /// `None` if the process has no number in our process namespace.
    process_id: Option<u32>,
}

impl PeerCredentials {
    /// Asks the kernel.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let process_id = credentials.pid().and_then(|id| u32::try_from(id).ok());
        Ok(Self {
            owner: OwnerUid::new(credentials.uid()),
            process_id: process_id.filter(|id| *id != 0),
        })
    }

    /// The user id at the time of connecting.
    pub const fn owner(&self) -> OwnerUid {
        self.owner
    }

    /// The peer. A user who is not mapped here is nobody in particular: many share the `overflow`
    /// id, and none of them may have another's keys.
    pub(crate) fn peer(&self, overflow: u32) -> Peer {
        if self.owner.as_raw() == overflow {
            return Peer::Remote;
        }
        let peer = LocalPeer::from_transport(self.owner, Transport::UnixSocket);
        Peer::Local(match self.process_id {
            Some(id) => peer.with_process(PeerProcess::new(id, &command_name(id))),
            None => peer,
        })
    }
}

/// Empty if the process has ended already, or hides from us.
fn command_name(process_id: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process_id}/comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

/// The user id that stands for all that are not mapped here.
pub(crate) fn overflow_uid() -> u32 {
    fs::read_to_string("/proc/sys/kernel/overflowuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_OVERFLOW_UID)
}
