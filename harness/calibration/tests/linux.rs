//! TCP in the simulated world sends the same segments as Linux, and the table of Linux is complete.

use squall_calibration::{Segments, conversation_in_the_world, stored};

#[test]
fn a_conversation_without_losses_has_linuxs_segments_one_by_one() {
    let Segments { client, server } = conversation_in_the_world();
    let linux = stored().conversation;
    assert_eq!(client, linux.client);
    assert_eq!(server, linux.server);
}

#[test]
fn nothing_was_asked_of_linux_that_it_did_not_answer() {
    for answer in stored().answers {
        let finite = answer.values.iter().all(|value| value.is_finite());
        assert!(finite && !answer.values.is_empty(), "{answer:?}");
    }
}
