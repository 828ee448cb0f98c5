//! Each form of a report for viewers that people have is read by its own reader, where that is
//! installed: a capture by tshark, JUnit by xmllint, a trace by Perfetto's own protocol buffers, a
//! page by Chromium. Where it is not, the test says so and passes.

#[path = "../browser/mod.rs"]
mod browser;
mod page;
mod picture;

use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An empty folder.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("readers-{test}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// Plays or writes something, and returns what is printed.
fn squall(arguments: &[&str]) -> Vec<u8> {
    let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
    let output = squall.args(arguments).output().expect("squall starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(4), "{complaint}");
    output.stdout
}

/// What a reader prints; none if it is not installed.
fn read(reader: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(reader).args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {reader} is not installed");
            return None;
        }
        output => output.expect("it starts"),
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reader}: {complaint}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn wireshark_reads_every_packet_of_a_capture_with_its_machine_and_the_reason_of_its_loss() {
    let file = folder("capture").join("lossy.pcapng");
    let path = file.to_str().expect("a path in UTF-8");
    squall(&["capture", "lossy-link", "--out", path]);
    let fields = [
        "frame.interface_name",
        "frame.comment",
        "ip.checksum.status",
        "tcp.checksum.status",
        "_ws.malformed",
    ];
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    let checked = [
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "tcp.check_checksum:TRUE",
    ];
    let arguments = ["-r", path, "-T", "fields"].into_iter().chain(checked);
    let arguments: Vec<&str> = arguments.chain(fields).collect();
    let Some(told) = read("tshark", &arguments) else {
        return;
    };
    let json = squall(&["run", "lossy-link", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let network = &json["record"]["network"];
    let number = |what: &str| network[what].as_u64().expect("a number") as usize;
    let packets: Vec<Vec<&str>> = told.lines().map(|it| it.split('\t').collect()).collect();
    assert_eq!(packets.len(), number("sent") + number("delivered"));
    let lost = packets.iter().filter(|it| it[1].contains("lost at random"));
    assert_eq!(lost.count(), number("lost"));
    let machines = json["record"]["machines"].as_array().expect("machines");
    for packet in &packets {
        assert!(
            machines.iter().any(|it| it["name"] == packet[0]),
            "{packet:?}"
        );
        // 1 is what Wireshark calls good.
        assert_eq!(packet[2..], ["1", "1", ""], "{packet:?}");
    }
}

#[test]
fn xmllint_finds_each_case_in_junit_and_the_seed() {
    let file = folder("junit").join("run.xml");
    let path = file.to_str().expect("a path in UTF-8");
    let run = ["run", "at-most-once-partition", "--seed", "7", "--format"];
    let of = |format| squall(&[&run[..], &[format]].concat());
    std::fs::write(&file, of("junit")).expect("a file");
    let ask = |what: &str| read("xmllint", &["--nonet", "--xpath", what, path]);
    let Some(counts) = ask("count(//testcase) = sum(//testsuite/@tests)") else {
        return;
    };
    assert_eq!(counts.trim(), "true");
    let json: Value = serde_json::from_slice(&of("json")).expect("JSON");
    let guarantees = json["guarantees"].as_array().expect("guarantees").iter();
    let judged = guarantees.filter(|it| it["verdict"] != "not-exercised");
    for judged in judged {
        let name = judged["guarantee"].as_str().expect("a name");
        let cases = ask(&format!("count(//testcase[@name='{name}'])"));
        assert_eq!(cases.as_deref().map(str::trim), Some("1"), "{name}");
    }
    let seed = ask("string(//property[@name='seed']/@value)");
    assert_eq!(seed.as_deref().map(str::trim), Some("7"));
    let timed = ask("count(//@timestamp | //@time[. != '0.000'])");
    assert_eq!(
        timed.as_deref().map(str::trim),
        Some("0"),
        "no wall-clock times"
    );
}

/// Reads a trace with what Perfetto publishes for Python (`pip install perfetto`), and prints how
/// many events of each type it has, and on how many tracks.
const PERFETTO: &str = "\
import sys
from collections import Counter
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent
trace = Trace.FromString(open(sys.argv[1], 'rb').read())
events = [it.track_event for it in trace.packet if it.HasField('track_event')]
tracks = {it.track_descriptor.uuid for it in trace.packet if it.HasField('track_descriptor')}
types = Counter(TrackEvent.Type.Name(it.type) for it in events)
assert all(it.track_uuid in tracks for it in events)
print(types['TYPE_SLICE_BEGIN'], types['TYPE_SLICE_END'], types['TYPE_INSTANT'], len(tracks))
";

#[test]
fn perfetto_reads_a_trace_in_which_all_that_begins_ends() {
    let folder = folder("perfetto");
    let out = folder.to_str().expect("a path in UTF-8");
    squall(&[
        "run",
        "at-most-once-partition",
        "--format",
        "perfetto",
        "--out",
        out,
    ]);
    let file = format!("{out}/at-most-once-partition.seed-1.pftrace");
    let module = "import perfetto.protos.perfetto.trace.perfetto_trace_pb2";
    let is_there = Command::new("python3").args(["-c", module]).output();
    if !is_there.is_ok_and(|it| it.status.success()) {
        return eprintln!("skipped: Perfetto's package for Python is not installed");
    }
    let told = read("python3", &["-c", PERFETTO, &file]).expect("python3 is there");
    let counts: Vec<usize> = told
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    let [begun, ended, moments, tracks] = counts[..] else {
        panic!("{told}");
    };
    assert_eq!(begun, ended);
    assert!(begun > 10 && moments > 10 && tracks > 4, "{told}");
}
