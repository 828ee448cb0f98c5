//! Packets of Socket.IO (protocol 5) in messages of Engine.IO 4.

/// A packet without attachments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet<'t> {
    /// Its type: `b'0'` connects, `b'2'` is an event, `b'3'` acknowledges one.
    pub(crate) kind: u8,
    /// `/` if it names none.
    pub(crate) namespace: &'t str,
    /// The number by which it asks for an acknowledgement, or that of what it acknowledges; empty
    /// if it has none.
    pub(crate) number: &'t str,
    /// JSON.
    pub(crate) data: &'t str,
}

impl<'t> Packet<'t> {
    /// The packet that a message of Engine.IO carries; none if this is something else.
    pub(crate) fn read(text: &'t str) -> Option<Self> {
        let mut bytes = text.bytes();
        let (Some(b'4'), Some(kind)) = (bytes.next(), bytes.next()) else {
            return None;
        };
        let rest = text.get(2..)?;
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => ("/", rest),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, data) = rest.split_at(digits);
        Some(Packet {
            kind,
            namespace,
            number,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_a_type_a_namespace_a_number_and_data_of_which_all_but_the_first_may_be_missing()
    {
        let read = |text| Packet::read(text).map(|it| (it.kind, it.namespace, it.number, it.data));
        assert_eq!(read("42/ops,7[1]"), Some((b'2', "/ops", "7", "[1]")));
        assert_eq!(read("42[\"/a,b\"]"), Some((b'2', "/", "", "[\"/a,b\"]")));
        assert_eq!(read("41/ops"), Some((b'1', "/ops", "", "")));
        assert_eq!(read("43017[]"), Some((b'3', "/", "017", "[]")));
        assert_eq!([read("4"), read("3"), read("4é"), read("")], [None; 4]);
    }
}
