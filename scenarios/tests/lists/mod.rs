//! What is said about lists that grow: that they are there, and complete. Their names are in the
//! documentation.

use squall::FaultKind;
use squall_guarantees::Guarantee;

/// The text, with a single word where it lists the names of all guarantees, or of all kinds of
/// faults.
pub(crate) fn abridged(text: &str) -> String {
    let guarantees = Guarantee::ALL.map(Guarantee::name);
    let faults = FaultKind::all().map(|(word, _)| word);
    let text = without(text, &guarantees, "ALL GUARANTEES");
    without(&text, &faults, "ALL KINDS OF FAULTS")
}

/// The text with a word in place of these names, each in backquotes and in this order.
fn without(text: &str, names: &[&str], word: &str) -> String {
    let [first, .., last] = names else {
        panic!("a list of two or more");
    };
    let (first, last) = (format!("`{first}`, "), format!("`{last}`"));
    let (mut told, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find(&first) {
        let (before, list) = rest.split_at(begin);
        let end = list.find(&last).map_or(list.len(), |end| end + last.len());
        let all = list[..end].split('`').skip(1).step_by(2);
        let (list, after) = match all.eq(names.iter().copied()) {
            true => (word, &list[end..]),
            // Another list begins the same way.
            false => list.split_at(first.len()),
        };
        told.extend([before, list]);
        rest = after;
    }
    told + rest
}

#[test]
fn a_list_is_a_word_only_if_it_is_whole() {
    let names = ["one", "two", "three"];
    let told = |list: &str| without(&format!("Use {list}."), &names, "ALL");
    assert_eq!(told("`one`, `two`,\n `three`"), "Use ALL.");
    assert_eq!(told("`one`, `three`"), "Use `one`, `three`.");
    assert_eq!(told("`one`, `two`"), "Use `one`, `two`.");
    assert_eq!(
        told("`one`, `more` or `one`, `two`, `three`"),
        "Use `one`, `more` or ALL."
    );
}
