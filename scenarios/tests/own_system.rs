//! The command of a project with a system of its own: files about that system are run, explored,
//! made small and explained, also in processes where `main` has not been called.

use serde::{Deserialize, Serialize};
use squall::text::{Problems, Table};
use squall::{Content, Draw, Known, PlannedClient, Servers, Site, System, User};
use squall_guarantees::{Bounds, EventKind, MessageKind, OperationId, StoredMessage};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PORT: u16 = squall::PORT;
const FILE: &str = "/notes";

/// A server that writes down what it is told, and clients that tell it: again, until it confirms.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Notes {
    again: bool,
    crashes: bool,
}

impl System for Notes {
    const NAME: &'static str = "notes";

    fn read(file: &mut Table<'_>, problems: &mut Problems) -> Self {
        let mut table = file.table("notes", problems);
        let (again, crashes) = (table.get("again", problems), table.get("crashes", problems));
        table.finish(problems);
        Notes {
            again: again.unwrap_or(true),
            crashes: crashes.unwrap_or(false),
        }
    }

    fn servers(&self) -> Servers {
        Servers::default()
    }

    fn draw(&self, _: &mut Draw) -> Self {
        self.clone()
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            delivery: Duration::from_secs(10),
            ..Bounds::default()
        }
    }

    fn build(&self, site: &mut Site<'_>) {
        let Notes { again, crashes } = *self;
        site.server(squall::SERVER, move || serve(crashes));
        for user in site.users() {
            let program = user.clone();
            site.client(&user, move || visit(program.clone(), again));
        }
    }

    fn stored(&self, _: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
        let text = std::fs::read_to_string(FILE).unwrap_or_default();
        let note = |(line, id): (&str, i64)| {
            let (sender, content) = line.split_once(' ').unwrap_or_default();
            StoredMessage {
                id,
                sender: sender.to_owned(),
                room: String::new(),
                content: content.to_owned(),
                kind: MessageKind::Message,
                client_offset: None,
                nickname: None,
                stored_at: None,
            }
        };
        let known: BTreeSet<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        Ok(known.into_iter().zip(1..).map(note).collect())
    }

    fn entitlements(&self, _: &PlannedClient) -> Vec<String> {
        Vec::new()
    }
}

async fn serve(crashes: bool) {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).await.expect("a socket");
    let mut known: BTreeSet<String> = std::fs::read_to_string(FILE)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let note = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if crashes && known.len() == 5 {
            std::process::abort();
        }
        if !known.contains(&note) {
            // Who gets no answer asks again.
            if write(&note).is_err() {
                continue;
            }
            known.insert(note);
        }
        let _ = socket.send_to(&buffer[..length], client).await;
    }
}

/// Adds a line, which begins anew: the last one may be half of one.
fn write(note: &str) -> io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.create(true).append(true).open(FILE)?;
    write!(file, "\n{note}\n")?;
    file.sync_all()?;
    // Its name is in the folder.
    std::fs::File::open("/")?.sync_all()
}

async fn visit(user: User, again: bool) {
    let say = |operation, message: &squall::Message| {
        let Content::Text(content) = &message.content else {
            return;
        };
        let operation = OperationId(operation);
        user.saw(EventKind::Invoked {
            operation,
            room: String::new(),
            content: content.clone(),
            kind: MessageKind::Message,
            size: None,
            echo: false,
            nickname: None,
        });
        let (user, note) = (user.clone(), format!("{} {content}", user.name));
        tokio::spawn(async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a socket");
            loop {
                let _ = socket.send_to(note.as_bytes(), user.doors[0].address).await;
                let answer = timeout(Duration::from_secs(1), socket.recv(&mut [0; 1500])).await;
                if answer.is_ok() {
                    return user.saw(EventKind::Ok {
                        operation,
                        acknowledged: true,
                    });
                }
                if !again {
                    return;
                }
            }
        });
    };
    user.act(say).await;
}

fn install() {
    squall_cli::install(&[Known::of::<Notes>()]);
}

/// The command, played by the other tests.
#[test]
#[ignore = "played by other tests"]
fn the_command() {
    let words = std::env::var("WORDS").unwrap_or_default();
    let words = ["sim"].into_iter().chain(words.split_whitespace());
    let say = |text: &str| writeln!(io::stdout(), "{text}").expect("it can be written");
    say("the command begins");
    let exit = squall_cli::command::of_own(install, words.map(Into::into));
    say(&format!("the command ends with {exit:?}"));
}

/// What `squall::main!` makes of a system, played by the test below it: `schema` is a word for the
/// command, and for the test runner the name of this test.
mod made {
    use std::io::{self, Write};

    squall::main!(super::Notes);

    #[test]
    fn schema() {
        if std::env::var_os("MADE").is_some() {
            let exit = main();
            writeln!(io::stdout(), "it ends with {exit:?}").expect("it can be written");
        }
    }
}

/// What the command writes when it is given these words, and how it ends.
fn command(words: &str) -> (String, String) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_command", "--ignored", "--nocapture"]);
    let output = command.env("WORDS", words).env("COLUMNS", "100").output();
    let output = output.expect("it starts");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let complaints = String::from_utf8(output.stderr).expect("UTF-8");
    let (_, told) = told.split_once("the command begins\n").expect("it begins");
    let (told, rest) = told.split_once("the command ends with").unwrap_or_else(|| {
        panic!("it does not end: {told}\n{complaints}");
    });
    let mut digits = rest.split(|it: char| !it.is_ascii_digit());
    let code = digits.find(|it| !it.is_empty()).unwrap_or_default();
    (format!("{told}{complaints}"), code.to_owned())
}

/// A file about notes, with this in `[notes]`.
fn file(name: &str, notes: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = format!(
        "shows = 'Notes.'\nclients.count = 2\nworkload.messages = 6\nnotes = {{ {notes} }}\n\
         [[fault]]\nkind = 'partition'\nvictims = 'alice'\nat = '3s'\nfor = '3s'\n\
         [expect]\nat-least-once = 'held'\n"
    );
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_file_about_it_is_run_and_what_it_breaks_is_told() {
    let file = file("again.toml", "again = true");
    let (told, code) = command(&format!("run {}", file.display()));
    assert_eq!(code, "0", "{told}");
    let (told, code) = command(&format!("run {} --seeds 20 -q", file.display()));
    assert_eq!(code, "0", "{told}");
    let file = self::file("once.toml", "again = false");
    let (told, code) = command(&format!("run {}", file.display()));
    assert_eq!(code, "1", "{told}");
    assert!(told.contains("! at-least-once"), "{told}");
    let (told, code) = command(&format!("run {} --seeds 20 -q", file.display()));
    assert_eq!(code, "1", "{told}");
}

#[test]
fn what_ends_its_process_is_a_finding() {
    let file = file("crashes.toml", "crashes = true");
    let (told, code) = command(&format!("run {}", file.display()));
    assert_eq!(code, "1", "{told}");
    assert!(told.contains("machine server"), "{told}");
}

#[test]
fn worlds_about_it_say_nothing_that_it_does_not_know() {
    let file = file("explored.toml", "again = true");
    let (told, code) = command(&format!("explore {} --seeds 40", file.display()));
    assert_eq!(code, "0", "{told}");
    let broken = self::file("broken.toml", "again = false");
    let (told, code) = command(&format!("explore {} --seeds 10", broken.display()));
    assert_eq!(code, "1", "{told}");
    assert!(told.contains("at-least-once"), "{told}");
}

#[test]
fn a_failing_one_is_made_small_and_explained() {
    let file = file("small.toml", "again = false");
    let (told, code) = command(&format!("shrink {}", file.display()));
    assert_eq!(code, "1", "{told}");
    assert!(
        told.contains("again = false") && told.contains("partition"),
        "{told}"
    );
    let (told, code) = command(&format!("why {} --dice 3 --futures 0", file.display()));
    assert_eq!(code, "1", "{told}");
    assert!(told.contains("partition"), "{told}");
}

#[test]
fn its_records_have_reports_and_its_plans_can_be_played() {
    let file = file("reported.toml", "again = true");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports of notes");
    let folder = folder.display().to_string().replace(' ', "-");
    let (told, code) = command(&format!("run {} --out {folder}", file.display()));
    assert_eq!(code, "0", "{told}");
    let (told, code) = command(&format!("report {folder}/reported.seed-1.json"));
    assert_eq!(code, "0", "{told}");
    let (plan, code) = command(&format!("plan {}", file.display()));
    assert_eq!(code, "0", "{plan}");
    let path = Path::new(&folder).join("plan.toml");
    std::fs::write(&path, plan).expect("a file");
    let (told, code) = command(&format!("run {}", path.display()));
    assert_eq!(code, "0", "{told}");
}

#[test]
fn the_named_scenarios_are_there_too() {
    let (told, code) = command("run lossy-link");
    assert_eq!(code, "0", "{told}");
}

#[test]
fn the_macro_makes_a_main_of_systems() {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["schema"]);
    command.env("MADE", "yes").env("RUST_TEST_NOCAPTURE", "1");
    let output = command.output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("draft-07"), "{told}");
    assert!(
        told.contains("it ends with ExitCode(unix_exit_status(0))"),
        "{told}"
    );
}
