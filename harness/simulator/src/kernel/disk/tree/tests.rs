//! Names, links, and what a power loss undoes, in sentences.

use super::*;
use crate::kernel::disk::{Disk, DiskChange};

const NOW: Duration = Duration::from_secs(7);

fn place(tree: &Tree, path: &str) -> Place {
    tree.look_up(ROOT, path.as_bytes(), false).unwrap()
}

fn make(tree: &mut Tree, path: &str, new: New) -> Number {
    let place = place(tree, path);
    tree.create(&place, new, 0o644, Duration::ZERO).unwrap()
}

fn file(tree: &mut Tree, path: &str) -> Number {
    make(tree, path, New::File)
}

fn directory(tree: &mut Tree, path: &str) -> Number {
    let number = make(tree, path, New::Directory);
    tree.set_mode(number, 0o755, Duration::ZERO).unwrap();
    number
}

fn link(tree: &mut Tree, path: &str, target: &str) {
    make(tree, path, New::Link(target.into()));
}

fn unlink(tree: &mut Tree, path: &str) {
    let place = place(tree, path);
    tree.unlink(&place, Duration::ZERO).unwrap();
}

fn rename(tree: &mut Tree, from: &str, to: &str) {
    let (from, to) = (place(tree, from), place(tree, to));
    tree.rename(&from, &to, true, Duration::ZERO).unwrap();
}

/// The number of the error, or 0.
fn error<T>(result: Result<T>) -> i32 {
    result.err().map_or(0, |error| error.0)
}

fn is_there(tree: &Tree, path: &str) -> bool {
    tree.find(ROOT, path.as_bytes(), true).is_ok()
}

#[test]
fn a_directory_that_may_not_be_searched_has_nothing_in_it_for_anybody() {
    let mut tree = Tree::default();
    let inner = directory(&mut tree, "/d");
    file(&mut tree, "/d/f");
    let found = |tree: &Tree| error(tree.find(ROOT, b"/d/f", true));
    assert_eq!(found(&tree), 0);
    tree.set_mode(inner, 0o600, NOW).unwrap();
    assert_eq!(found(&tree), libc::EACCES);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let mut tree = Tree::default();
    file(&mut tree, "/0");
    for number in 1..=41 {
        link(
            &mut tree,
            &format!("/{number}"),
            &format!("/{}", number - 1),
        );
    }
    assert_eq!(error(tree.find(ROOT, b"/40", true)), 0);
    assert_eq!(error(tree.find(ROOT, b"/41", true)), libc::ELOOP);
}

#[test]
fn a_link_that_says_it_leads_to_a_directory_leads_to_no_file() {
    let mut tree = Tree::default();
    file(&mut tree, "/f");
    directory(&mut tree, "/d");
    link(&mut tree, "/to-f", "/f/");
    link(&mut tree, "/to-d", "/d/");
    assert_eq!(error(tree.find(ROOT, b"/to-f", true)), libc::ENOTDIR);
    assert!(is_there(&tree, "/to-d"));
}

#[test]
fn a_file_without_a_name_can_be_written_and_is_gone_when_it_is_closed() {
    let mut tree = Tree::default();
    let number = tree.create_nameless(0o600, Duration::ZERO);
    tree.opened(number);
    tree.write(number, 0, b"bytes", NOW).unwrap();
    assert_eq!(tree.bytes(number).unwrap(), b"bytes");
    tree.closed(number);
    assert!(tree.stat(number).is_err());
}

#[test]
fn a_file_whose_last_name_is_gone_lives_as_long_as_somebody_has_it_open() {
    for killed in [false, true] {
        let mut tree = Tree::default();
        let number = file(&mut tree, "/f");
        tree.settle();
        tree.opened(number);
        unlink(&mut tree, "/f");
        tree.settle();
        assert_eq!(tree.stat(number).unwrap().links, 0);
        match killed {
            true => tree.process_gone(),
            false => tree.closed(number),
        }
        assert!(tree.stat(number).is_err(), "killed: {killed}");
    }
}

#[test]
fn a_file_whose_name_is_gone_is_there_until_that_is_on_the_platter() {
    let mut tree = Tree::default();
    let number = file(&mut tree, "/f");
    tree.settle();
    unlink(&mut tree, "/f");
    assert!(tree.stat(number).is_ok());
    tree.settle();
    assert!(tree.stat(number).is_err());
}

#[test]
fn the_root_and_a_directory_by_way_of_a_dot_cannot_be_removed() {
    let mut tree = Tree::default();
    let inner = directory(&mut tree, "/d");
    let dot = tree.look_up(inner, b".", false).unwrap();
    assert_eq!(error(tree.remove_directory(&dot, NOW)), libc::EINVAL);
    for path in DIRECTORIES.iter().rev().chain(&["/d"]) {
        let inner = tree.find(ROOT, path.as_bytes(), true).unwrap();
        for (name, ..) in tree.list(inner).unwrap() {
            if name != b"." && name != b".." {
                let place = tree.look_up(inner, &name, false).unwrap();
                tree.unlink(&place, NOW).unwrap();
            }
        }
        let place = place(&tree, path);
        tree.remove_directory(&place, NOW).unwrap();
    }
    let root = place(&tree, "/");
    assert_eq!(error(tree.remove_directory(&root, NOW)), libc::EBUSY);
}

#[test]
fn a_device_has_a_number_and_a_directory_no_bytes() {
    let mut tree = Tree::default();
    let number = |tree: &Tree, path: &str| tree.find(ROOT, path.as_bytes(), true).unwrap();
    let (null, zero) = (number(&tree, "/dev/null"), number(&tree, "/dev/zero"));
    let devices = [null, zero].map(|it| tree.stat(it).unwrap().device);
    assert!(
        devices[0] >= 0x0100 && devices[1] > devices[0],
        "{devices:x?}"
    );
    let temporary = number(&tree, "/tmp");
    assert_eq!(tree.stat(temporary).unwrap().device, 0);
    assert_eq!(error(tree.write(temporary, 0, b"x", NOW)), libc::EISDIR);
    assert_eq!(error(tree.write(null, 0, b"x", NOW)), libc::EINVAL);
}

#[test]
fn a_write_and_a_truncation_change_the_times_of_a_file() {
    let mut tree = Tree::default();
    let number = file(&mut tree, "/f");
    tree.write(number, 0, b"x", NOW).unwrap();
    assert_eq!(tree.stat(number).unwrap().times.modified, NOW);
    tree.truncate(number, 0, 2 * NOW).unwrap();
    let times = tree.stat(number).unwrap().times;
    assert_eq!((times.modified, times.changed), (2 * NOW, 2 * NOW));
}

#[test]
fn a_name_that_came_and_went_before_a_sync_is_as_if_it_had_never_been() {
    let mut tree = Tree::default();
    tree.settle();
    file(&mut tree, "/f");
    assert_eq!(tree.unsynced(), 1);
    unlink(&mut tree, "/f");
    assert_eq!(tree.unsynced(), 0);
}

#[test]
fn a_name_that_was_on_the_platter_comes_back_whatever_was_done_to_it_since() {
    let mut tree = Tree::default();
    file(&mut tree, "/a");
    tree.settle();
    rename(&mut tree, "/a", "/b");
    unlink(&mut tree, "/b");
    tree.power_loss(None);
    assert!(is_there(&tree, "/a") && !is_there(&tree, "/b"));
}

#[test]
fn after_a_loss_of_power_a_file_has_as_many_links_as_names() {
    let mut tree = Tree::default();
    let number = file(&mut tree, "/f");
    tree.settle();
    let further = place(&tree, "/g");
    tree.link(number, &further, NOW).unwrap();
    let lost = file(&mut tree, "/lost");
    assert_eq!(tree.stat(number).unwrap().links, 2);
    tree.power_loss(None);
    assert_eq!(tree.stat(number).unwrap().links, 1);
    assert!(tree.stat(lost).is_err());
}

#[test]
fn of_very_many_changes_without_a_sync_the_older_half_is_on_the_platter() {
    let mut tree = Tree::default();
    // Many small directories: a change in a directory counts what is in it.
    let path = |number: usize| format!("/{}/{number}", number / 64);
    for number in 0..CHANGES_MAX / 64 {
        directory(&mut tree, &format!("/{number}"));
    }
    tree.settle();
    for number in 0..CHANGES_MAX {
        file(&mut tree, &path(number));
    }
    assert_eq!(tree.unsynced(), CHANGES_MAX);
    file(&mut tree, "/one-more");
    assert_eq!(tree.unsynced(), CHANGES_MAX / 2 + 1);
    tree.power_loss(None);
    assert!(is_there(&tree, &path(CHANGES_MAX / 2 - 1)));
    assert!(!is_there(&tree, &path(CHANGES_MAX / 2)));
}

#[test]
fn a_sync_of_everything_keeps_everything_unless_the_disk_lies() {
    for lies in [false, true] {
        let mut disk = Disk::default();
        disk.change(DiskChange::LyingSync(lies), || {
            crate::entropy::stream(1, "disk")
        });
        disk.tree.settle();
        file(&mut disk.tree, "/f");
        disk.sync_nodes().unwrap();
        disk.tree.power_loss(None);
        assert_eq!(is_there(&disk.tree, "/f"), !lies);
    }
}
