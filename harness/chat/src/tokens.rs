//! Signed tokens: how a server can know its users without asking another service.
//!
//! A token is a claim and a signature, in base64url, separated by a dot. The claim is JSON: who, in
//! which namespaces and rooms, until when. The signature is HMAC-SHA-256 (RFC 2104) of the claim's
//! base64url under a secret shared only by those who issue tokens and those who check them. The
//! bearer of the token is the user: send it only over HTTPS.

use crate::admission::{Authenticate, Guest};
use crate::message::ROOT;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The shortest secret: as long as the signature.
pub const SECRET_MIN: usize = 32;

/// Issues tokens and checks them.
#[derive(Clone)]
pub struct Tokens {
    signer: Hmac<Sha256>,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    name: String,
    /// None: the one that clients are in who ask for no other. Each has its own users and rooms.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    namespaces: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rooms: Option<BTreeSet<String>>,
    /// In seconds since the Unix epoch.
    until: u64,
}

impl Tokens {
    /// With this secret of at least [`SECRET_MIN`] bytes; none if it is shorter.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let signer = Hmac::new_from_slice(secret).ok()?;
        (secret.len() >= SECRET_MIN).then_some(Self { signer })
    }

    /// A token for this user of these namespaces (none: of [`ROOT`]), who may be in these rooms
    /// (none: all) until then.
    #[must_use]
    pub fn issue(
        &self,
        name: &str,
        namespaces: BTreeSet<String>,
        rooms: Option<BTreeSet<String>>,
        until: SystemTime,
    ) -> String {
        let claim = Claim {
            name: name.to_owned(),
            namespaces,
            rooms,
            until: seconds(until),
        };
        let claim = serde_json::to_vec(&claim).expect("its keys are texts");
        let claim = URL_SAFE_NO_PAD.encode(claim);
        let signature = self.signed(&claim).finalize().into_bytes();
        format!("{claim}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Admits clients that show one of these tokens, as the user for whom it was issued.
    #[must_use]
    pub fn authenticate(self) -> Authenticate {
        Authenticate::new(move |guest| self.check(guest, SystemTime::now()))
    }

    fn check(&self, guest: &mut Guest, now: SystemTime) -> Result<(), String> {
        let Some(token) = &guest.token else {
            return Err("token: none given, and this server lets in only who shows one".to_owned());
        };
        let invalid = || "token: it was not issued by this server".to_owned();
        let (claim, signature) = token.split_once('.').ok_or_else(invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid())?;
        // In constant time, whichever byte is wrong.
        (self.signed(claim).verify_slice(&signature)).map_err(|_| invalid())?;
        let claim = URL_SAFE_NO_PAD.decode(claim).map_err(|_| invalid())?;
        let claim = serde_json::from_slice(&claim).map_err(|_| invalid())?;
        let Claim {
            name,
            namespaces,
            rooms,
            until,
        } = claim;
        if until <= seconds(now) {
            return Err("token: its time is over; ask for another one".to_owned());
        }
        if guest.name != name {
            let given = &guest.name;
            return Err(format!(
                "name: `{given}` given, but the token is `{name}`'s"
            ));
        }
        let namespace = &guest.namespace;
        let of_root = namespaces.is_empty() && namespace == ROOT;
        if !namespaces.contains(namespace) && !of_root {
            return Err(format!(
                "token: it is for another namespace than `{namespace}`"
            ));
        }
        guest.rooms = rooms;
        Ok(())
    }

    fn signed(&self, claim: &str) -> Hmac<Sha256> {
        let mut signer = self.signer.clone();
        signer.update(claim.as_bytes());
        signer
    }
}

impl std::fmt::Debug for Tokens {
    /// Without the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tokens(..)")
    }
}

fn seconds(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since_epoch.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn tokens() -> Tokens {
        Tokens::new(&[7; SECRET_MIN]).unwrap()
    }

    fn guest(name: &str, token: Option<String>) -> Guest {
        Guest {
            namespace: "/".to_owned(),
            name: name.to_owned(),
            token,
            rooms: None,
        }
    }

    fn check(name: &str, token: Option<String>, after: Duration) -> Result<Guest, String> {
        let mut guest = guest(name, token);
        let now = UNIX_EPOCH + after;
        tokens().check(&mut guest, now).map(|()| guest)
    }

    fn for_alice() -> String {
        let rooms = BTreeSet::from(["lobby".to_owned()]);
        tokens().issue("alice", BTreeSet::new(), Some(rooms), UNIX_EPOCH + HOUR)
    }

    #[test]
    fn a_token_lets_its_user_in_until_its_time_is_over_and_into_its_rooms() {
        let just_before = HOUR - Duration::from_secs(1);
        let alice = check("alice", Some(for_alice()), just_before).unwrap();
        assert_eq!(alice.rooms, Some(BTreeSet::from(["lobby".to_owned()])));
        let late = check("alice", Some(for_alice()), HOUR).unwrap_err();
        assert!(late.contains("time is over"), "{late}");
        assert!(
            check("eve", Some(for_alice()), HOUR / 2).is_err(),
            "another's"
        );
        assert!(check("alice", None, HOUR / 2).is_err(), "none");
    }

    #[test]
    fn a_token_that_was_changed_or_signed_elsewhere_is_none() {
        let token = for_alice();
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last letter of a base64 text has unused bits; the decoder requires them to be
            // zero.
            assert!(
                check("alice", Some(changed.clone()), HOUR / 2).is_err(),
                "{changed}"
            );
        }
        let elsewhere = Tokens::new(&[8; SECRET_MIN]).unwrap();
        let elsewhere = elsewhere.issue("alice", BTreeSet::new(), None, UNIX_EPOCH + HOUR);
        assert!(check("alice", Some(elsewhere), HOUR / 2).is_err());
        for nonsense in [
            "",
            ".",
            "a.b",
            &token[..token.len() - 1],
            &format!("{token}A"),
        ] {
            assert!(
                check("alice", Some(nonsense.to_owned()), HOUR / 2).is_err(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_token_is_for_one_namespace_unless_it_names_several() {
        let check = |namespaces: &[&str], namespace: &str| {
            let namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
            let token = tokens().issue("alice", namespaces, None, UNIX_EPOCH + HOUR);
            let mut guest = guest("alice", Some(token));
            guest.namespace = namespace.to_owned();
            tokens().check(&mut guest, UNIX_EPOCH).is_ok()
        };
        assert!(check(&[], "/") && !check(&[], "/ops"));
        assert!(check(&["/ops"], "/ops") && !check(&["/ops"], "/"));
        assert!(check(&["/", "/ops"], "/") && check(&["/", "/ops"], "/ops"));
    }

    #[test]
    fn a_short_secret_is_none() {
        assert!(Tokens::new(&[7; SECRET_MIN - 1]).is_none());
    }
}
