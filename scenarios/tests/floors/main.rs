//! The house has floors: no two files of a crate import each other, even indirectly, and no crate
//! imports one above it.

mod imports;

use imports::{Arrow, Crate, collect};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates from the ground up: each may import those of the floors below it.
const FLOORS: [&[&str]; 5] = [
    &["harness/macros", "harness/observe"],
    &[
        "harness/simulator",
        "harness/guarantees",
        "harness/recovery",
        "harness/resp",
        "harness/tutorial",
        "harness/hostile",
        "harness/middlebox",
        "harness/mutations",
    ],
    &[
        "harness/calibration",
        "harness/chat",
        "harness/parity",
        "reports",
    ],
    &["harness/squall", "harness/planted"],
    &["scenarios"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("scenarios/ is in the workspace")
        .to_owned()
}

fn crates() -> impl Iterator<Item = (usize, &'static str)> {
    FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, crates)| crates.iter().map(move |name| (floor, *name)))
}

/// The files of each circle, and the arrows between them.
fn circles(arrows: &[Arrow]) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reachable = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = open.pop() {
            for &file in next.get(&*file).into_iter().flatten() {
                if seen.insert(file) {
                    open.push(file.to_owned());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&file| (file, reachable(file))).collect();
    let together = |one: &str, other: &str| {
        let reaches =
            |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
        reaches(one, other) && reaches(other, one)
    };
    let in_circles = arrows
        .iter()
        .filter(|arrow| together(&arrow.from, &arrow.to));
    in_circles
        .map(|Arrow { from, to, name }| format!("{from} -> {to} ({name})"))
        .collect()
}

fn expect_no_circle(what: &str, arrows: &[Arrow]) {
    let circles = circles(arrows);
    assert!(
        circles.is_empty(),
        "{what}: {} arrows run in circles:\n{}",
        circles.len(),
        circles.join("\n")
    );
}

#[test]
fn no_files_of_a_crate_import_one_another_in_a_circle() {
    for (_, path) in crates() {
        expect_no_circle(path, &Crate::read(&root().join(path)).arrows());
    }
}

/// The room of a file: the file itself, or the folder, directly in `src`.
fn room(file: &str) -> &str {
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    let room = inside.split('/').next().unwrap_or(inside);
    room.strip_suffix(".rs").unwrap_or(room)
}

/// So the rooms of a crate are layered, from those that import nothing up to `lib`.
#[test]
fn no_rooms_of_a_crate_import_one_another_in_a_circle() {
    for (_, path) in crates() {
        let arrows = Crate::read(&root().join(path)).arrows().into_iter();
        let between_rooms = arrows.map(|Arrow { from, to, name }| Arrow {
            from: room(&from).to_owned(),
            to: room(&to).to_owned(),
            name: format!("{name}, {from} -> {to}"),
        });
        let between_rooms: Vec<Arrow> = between_rooms.filter(|it| it.from != it.to).collect();
        expect_no_circle(path, &between_rooms);
    }
}

/// The rooms of the simulator from the ground up: each may import those before it.
const ROOMS_OF_THE_SIMULATOR: [&str; 9] = [
    "host", "kernel", "sys", "network", "process", "machine", "machines", "engine", "world",
];

#[test]
fn the_rooms_of_the_simulator_stand_in_their_order() {
    for Arrow { from, to, name } in Crate::read(&root().join("harness/simulator")).arrows() {
        let height = |file| {
            let rooms = &mut ROOMS_OF_THE_SIMULATOR.iter();
            rooms.position(|other| *other == room(file))
        };
        if let (Some(lower), Some(upper)) = (height(&from), height(&to)) {
            assert!(
                upper <= lower,
                "{from} imports {name} of {to}, which is above it"
            );
        }
    }
}

#[test]
fn every_member_of_the_workspace_has_a_floor_and_imports_from_below() {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    let members: BTreeSet<&str> = manifest["workspace"]["members"]
        .as_array()
        .expect("members is a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(members, crates().map(|(_, path)| path).collect());
    let floors: BTreeMap<String, usize> = crates()
        .map(|(floor, path)| (Crate::read(&root().join(path)).name, floor))
        .collect();
    for (floor, path) in crates() {
        let this = Crate::read(&root().join(path));
        for import in this
            .imported_crates()
            .into_iter()
            .filter(|name| *name != this.name)
        {
            if let Some(&of_import) = floors.get(&import) {
                assert!(
                    of_import < floor,
                    "{path} imports {import}, which is not below it"
                );
            }
        }
    }
}

/// Crates that may import no other member of the workspace except these.
const NARROW: [(&str, &[&str]); 2] = [
    ("reports", &["squall_guarantees"]),
    (
        "harness/squall",
        &[
            "squall_guarantees",
            "squall_hostile",
            "squall_macros",
            "squall_middlebox",
            "squall_observe",
            "squall_reports",
            "squall_simulator",
        ],
    ),
];

#[test]
fn what_a_user_depends_on_imports_little() {
    let members: BTreeSet<String> = crates()
        .map(|(_, path)| Crate::read(&root().join(path)).name)
        .collect();
    for (path, allowed) in NARROW {
        let this = Crate::read(&root().join(path));
        let imported = this.imported_crates().into_iter();
        let others = imported.filter(|name| members.contains(name) && *name != this.name);
        let others: Vec<String> = others
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect();
        assert!(others.is_empty(), "{path} imports {others:?}");
    }
}

/// Table rows and addresses cannot be broken.
#[test]
fn no_comment_is_wider_than_code_may_be() {
    let config = std::fs::read_to_string(root().join("rustfmt.toml")).expect("rustfmt.toml");
    let width = config
        .lines()
        .find_map(|it| it.strip_prefix("max_width = "));
    let width: usize = width.and_then(|it| it.parse().ok()).expect("a width");
    let mut sources = Vec::new();
    for room in ["harness", "reports", "scenarios"] {
        collect(&root().join(room), &root(), &mut sources);
    }
    let wide = sources.iter().flat_map(|(source, text)| {
        let comments = text.lines().zip(1..).filter(|(line, _)| {
            let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
            let comment = comment.trim_start_matches(['/', '!', ' ']);
            !comment.starts_with('|') && !comment.contains("https://") && !comment.is_empty()
        });
        let wide = comments.filter(|(line, _)| line.chars().count() > width);
        wide.map(move |(_, number)| format!("{source}:{number}"))
    });
    let wide: Vec<String> = wide.collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn what_a_user_depends_on_compiles_no_chat_no_openssl_and_no_turmoil() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "squall",
            "--edges",
            "normal,build",
        ])
        .args(["--no-default-features", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).expect("UTF-8");
    let crates: BTreeSet<&str> = tree.lines().filter_map(|it| it.split(' ').next()).collect();
    assert!(crates.contains("squall-simulator"), "{crates:?}");
    for heavy in [
        "socketioxide",
        "rust_socketio",
        "openssl",
        "openssl-sys",
        "turmoil",
    ] {
        assert!(!crates.contains(heavy), "squall compiles {heavy}");
    }
}

#[test]
fn a_circle_of_three_files_is_found() {
    let house = [
        ("lib.rs", "mod a; mod b; mod c; pub use b::B;"),
        ("a.rs", "use crate::B; pub fn g() {}"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C; fn f() { super::a::g() }"),
    ];
    let found = circles(&Crate::of_texts("house", house).arrows());
    assert_eq!(
        found,
        ["a.rs -> b.rs (B)", "b.rs -> c.rs (C)", "c.rs -> a.rs (g)"]
    );
}

#[test]
fn tests_declarations_of_modules_and_who_may_see_an_item_are_no_arrows() {
    let house = [
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        (
            "a.rs",
            "pub struct A; #[cfg(test)] mod tests { use crate::b; }",
        ),
        ("b.rs", "pub mod c; pub use c::C;"),
        ("b/c.rs", "use crate::A; pub(in crate::b) struct C;"),
    ];
    assert!(circles(&Crate::of_texts("house", house).arrows()).is_empty());
}
