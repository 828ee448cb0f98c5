//! A page in Chromium: on a phone and in the dark, by keyboard and by screen reader, with what
//! strangers wrote in it, and of a very large run.

use crate::browser::{Browser, Page};
use crate::{folder, squall};
use serde_json::{Value, json};
use squall_guarantees::{Client, ClientId};
use squall_guarantees::{Event, EventKind, MessageKind, OperationId, StoredMessage, Time};
use squall_reports::{Judged, Record, html};
use std::path::{Path, PathBuf};

/// The pages of the gallery.
pub(crate) fn gallery() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/gallery");
    let files = std::fs::read_dir(folder).expect("the gallery is there");
    let files = files.map(|file| file.expect("a file").path());
    let mut pages: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|it| it == "html"))
        .collect();
    pages.sort();
    assert_eq!(pages.len(), 3, "{pages:?}");
    pages
}

/// A browser; none if it is not installed.
pub(crate) fn browser(test: &str) -> Option<Browser> {
    match Browser::start(&folder(test)) {
        Ok(browser) => Some(browser),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

/// Opens a file, and waits until it is there.
pub(crate) fn open(browser: &mut Browser, file: &Path) -> Page {
    let file = file.canonicalize().expect("a file that is there");
    let page = browser.open(&format!("file://{}", file.display()));
    let loaded = "location.protocol + document.readyState";
    browser.wait_for(&page, loaded, &json!("file:complete"));
    page
}

/// Makes the window this wide, and the page think that it is dark.
pub(crate) fn look(browser: &mut Browser, page: &Page, width: u32, theme: &str) {
    let size =
        json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
    browser.command("Emulation.setDeviceMetricsOverride", size, Some(page));
    let theme = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
    browser.command("Emulation.setEmulatedMedia", theme, Some(page));
}

/// What is hard to read: text whose contrast with what is behind it is less than 4.5 (WCAG 2.2,
/// 1.4.3).
const PALE: &str = r"
(() => {
  const channels = color => color.match(/[\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = channels(color).map(it => it / 255)
      .map(it => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let it = element; it; it = it.parentElement) {
      const color = getComputedStyle(it).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const pale = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some(it => it.nodeType === 3 && it.data.trim());
    if (!own || ['SCRIPT', 'STYLE', 'title'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const color = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const both = [light(color), light(behind(element))].sort((p, q) => q - p);
    const contrast = (both[0] + 0.05) / (both[1] + 0.05);
    if (contrast < 4.5) pale.push(`${element.tagName} ${element.textContent.slice(0, 40)} ${contrast.toFixed(2)}`);
  }
  return pale;
})()";

#[test]
fn a_page_fits_a_phone_and_can_be_read_by_day_and_by_night() {
    let Some(mut browser) = browser("phone") else {
        return;
    };
    for file in gallery() {
        let page = open(&mut browser, &file);
        let mut papers = Vec::new();
        for theme in ["light", "dark"] {
            look(&mut browser, &page, 360, theme);
            let width = browser.evaluate(&page, "document.documentElement.scrollWidth");
            assert_eq!(width, 360, "{}: the page scrolls sideways", file.display());
            let pale = browser.evaluate(&page, PALE);
            assert_eq!(pale, json!([]), "{}, {theme}", file.display());
            papers.push(browser.evaluate(&page, "getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(papers[0], papers[1], "it is as bright in the dark");
        // What is touched is large enough for a finger (WCAG 2.2, 2.5.8).
        let small = "[...document.querySelectorAll('button, input, select, summary, nav a')]
            .map(it => [it.textContent, (it.labels?.[0] ?? it).getBoundingClientRect()])
            .filter(([, it]) => it.width && Math.min(it.width, it.height) < 24).map(([it]) => it)";
        assert_eq!(
            browser.evaluate(&page, small),
            json!([]),
            "{}",
            file.display()
        );
    }
}

/// Presses a key, as a user does.
fn press(browser: &mut Browser, page: &Page, key: &str) {
    let (code, text) = match key {
        "Tab" => (9, None),
        "ArrowRight" => (39, None),
        key => (u32::from(key.as_bytes()[0].to_ascii_uppercase()), Some(key)),
    };
    for kind in ["keyDown", "keyUp"] {
        let text = text.filter(|_| kind == "keyDown");
        let event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text.unwrap_or_default()});
        browser.command("Input.dispatchKeyEvent", event, Some(page));
    }
}

#[test]
fn everything_on_a_page_can_be_done_by_keyboard() {
    let Some(mut browser) = browser("keyboard") else {
        return;
    };
    for file in gallery() {
        let page = open(&mut browser, &file);
        // What is folded away is reached when it is unfolded.
        let all = "[...document.querySelectorAll('a, button, input, select, summary, [tabindex]')]
            .filter(it => it.checkVisibility())";
        let place = format!("{all}.indexOf(document.activeElement)");
        let count = browser.evaluate(&page, &format!("{all}.length"));
        let count = count.as_u64().expect("a number");
        assert!(count > 20, "{count} of {}", file.display());
        for expected in 0..count {
            press(&mut browser, &page, "Tab");
            assert_eq!(
                browser.evaluate(&page, &place),
                expected,
                "in the order of the page"
            );
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(
                browser.evaluate(&page, outline),
                "solid",
                "it is seen where one is"
            );
        }
        browser.evaluate(&page, "document.getElementById('frame').focus()");
        let detail = "document.getElementById('detail').textContent";
        assert_eq!(browser.evaluate(&page, detail), "");
        press(&mut browser, &page, "n");
        let first = browser.evaluate(&page, detail);
        assert_ne!(first, "", "n goes to the first event");
        assert_eq!(
            browser.evaluate(&page, "document.getElementById('said').textContent !== ''"),
            true,
            "and says so to a screen reader"
        );
        press(&mut browser, &page, "n");
        assert_ne!(browser.evaluate(&page, detail), first);
        let ticks = "[...document.querySelectorAll('#run .tick')].map(it => it.textContent).join()";
        let whole = browser.evaluate(&page, ticks);
        press(&mut browser, &page, "+");
        let closer = browser.evaluate(&page, ticks);
        press(&mut browser, &page, "ArrowRight");
        let later = browser.evaluate(&page, ticks);
        press(&mut browser, &page, "0");
        assert!(
            whole != closer && closer != later,
            "{whole} {closer} {later}"
        );
        assert_eq!(browser.evaluate(&page, ticks), whole);
    }
}

#[test]
fn a_screen_reader_finds_headings_in_order_and_a_name_for_everything() {
    let Some(mut browser) = browser("screen-reader") else {
        return;
    };
    for file in gallery() {
        let page = open(&mut browser, &file);
        let tree = browser.command("Accessibility.getFullAXTree", json!({}), Some(&page));
        let nodes = tree["nodes"].as_array().expect("nodes");
        let nodes = nodes.iter().filter(|it| it["ignored"] == false);
        let said = |node: &Value, what: &str| {
            let text = node[what]["value"].as_str();
            text.unwrap_or_default().to_owned()
        };
        let (mut level, mut roles) = (0, Vec::new());
        for node in nodes {
            let (role, name) = (said(node, "role"), said(node, "name"));
            let needs_name = [
                "heading",
                "region",
                "navigation",
                "button",
                "link",
                "checkbox",
                "searchbox",
                "textbox",
                "combobox",
                "image",
                "article",
                "columnheader",
                "rowheader",
            ];
            let is_unnamed = needs_name.contains(&&*role) && name.trim().is_empty();
            assert!(!is_unnamed, "{}: {node:#}", file.display());
            if role == "heading" {
                let properties = node["properties"].as_array().into_iter().flatten();
                let own = properties.filter(|it| it["name"] == "level");
                let own = own.filter_map(|it| it["value"]["value"].as_u64()).next();
                let own = own.expect("headings have levels");
                assert!(own <= level + 1, "{name} is of level {own}, after {level}");
                level = own;
            }
            roles.push(role);
        }
        let count = |role: &str| roles.iter().filter(|it| *it == role).count();
        let landmarks = ["banner", "navigation", "main", "contentinfo"].map(count);
        assert_eq!(landmarks, [1; 4], "{}", file.display());
        assert!(count("region") >= 8, "each section is one");
        let unnamed = "document.querySelectorAll('[role=group]:not([aria-label])').length";
        assert_eq!(browser.evaluate(&page, unnamed), 0, "{}", file.display());
        let language = browser.evaluate(&page, "document.documentElement.lang");
        assert_eq!(language, "en");
    }
}

/// What would become something else than text, if anything let it.
const HOSTILE: [&str; 6] = [
    "</script><script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "\"><svg onload=window.harmed=1>",
    "</title></style><iframe srcdoc='<script>parent.harmed = 1</script>'></iframe>",
    "\u{202e}gpj.exe\u{0}\u{1b}]0;x\u{7}",
    "<!--<script>",
];

#[test]
fn what_strangers_wrote_does_nothing_in_a_browser_however_long_it_is() {
    let Some(mut browser) = browser("hostile") else {
        return;
    };
    let folder = folder("hostile-pages");
    let json = squall(&["run", "at-most-once-partition", "--format", "json"]);
    let json = String::from_utf8(json).expect("UTF-8");
    for (number, hostile) in HOSTILE.into_iter().enumerate() {
        let text = format!(
            "{hostile}{}",
            "y".repeat(if number == 0 { 1_000_000 } else { 0 })
        );
        let text = serde_json::to_string(&text).expect("a text is JSON");
        let text = &text[1..text.len() - 1];
        let mut json: Value = serde_json::from_str(&json).expect("JSON");
        let record = json["record"].take().to_string();
        // A message, a name and the scenario's words.
        let record = record.replacen("\"alice 1\"", &format!("\"alice 1{text}\""), 3);
        let short = &text[..text.floor_char_boundary(200)];
        let record = record.replace("bob", &format!("bob{short}"));
        let record: Record = serde_json::from_str(&record).expect("a record still");
        let file = folder.join(format!("{number}.html"));
        let page = html::render(&Judged::new(record));
        assert!(
            page.contains("alice 1") && page.len() < 2_000_000,
            "{}",
            page.len()
        );
        std::fs::write(&file, page).expect("a page");
        let page = open(&mut browser, &file);
        let harm =
            "String(window.harmed) + document.querySelectorAll('iframe, img, object, embed').length
            + document.scripts.length";
        assert_eq!(browser.evaluate(&page, harm), "undefined01", "{hostile:?}");
        let count = browser.evaluate(&page, "document.querySelectorAll('main > section').length");
        assert_eq!(count, 9, "the page is whole with {hostile:?}");
    }
}

/// The record of so many clients, in pairs, that say so much.
fn crowd(clients: u32, messages: u64) -> Record {
    let json = squall(&["run", "at-most-once-partition", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let mut record: Record = serde_json::from_value(json["record"].clone()).expect("a record");
    let history = &mut record.history;
    let of = |number: u32| Client {
        name: format!("client-{number}"),
        rooms: vec![format!("room-{}", number / 2)],
        ..history.clients[0].clone()
    };
    let machine = record.machines[0].clone();
    record
        .machines
        .extend((0..clients).map(|number| squall_reports::Machine {
            name: format!("client-{number}"),
            ..machine.clone()
        }));
    history.clients = (0..clients).map(of).collect();
    history.silences.clear();
    history.disturbances.clear();
    history.links.clear();
    history.database.clear();
    history.events.clear();
    for id in 0..messages {
        let sender = u32::try_from(id).expect("a small number") % clients;
        let (room, content) = (format!("room-{}", sender / 2), format!("message {id}"));
        let mut happens = |micros: u64, client: u32, kind: EventKind| {
            let at = Time::from_micros(id * 500 + micros);
            history.events.push(Event {
                at,
                client: ClientId(client),
                kind,
            });
        };
        let operation = OperationId(id);
        let name = format!("client-{sender}");
        happens(
            0,
            sender,
            EventKind::Invoked {
                operation,
                room: room.clone(),
                content: content.clone(),
                kind: MessageKind::Message,
                size: None,
                echo: true,
                nickname: None,
            },
        );
        for client in [sender, sender ^ 1] {
            happens(
                100,
                client,
                EventKind::Delivered {
                    id: id as i64,
                    room: room.clone(),
                    sender: name.clone(),
                    content: content.clone(),
                    kind: None,
                    nickname: None,
                },
            );
        }
        happens(
            200,
            sender,
            EventKind::Ok {
                operation,
                acknowledged: true,
            },
        );
        history.database.push(StoredMessage {
            id: id as i64,
            sender: name,
            room,
            content,
            kind: MessageKind::Message,
            client_offset: None,
            nickname: None,
            stored_at: None,
        });
    }
    history.ended_at = Time::from_micros(messages * 500 + 1_000_000);
    record
}

#[test]
fn the_page_of_a_thousand_clients_and_a_hundred_thousand_messages_opens_in_two_seconds() {
    let Some(mut browser) = browser("crowd") else {
        return;
    };
    let file = folder("crowd-page").join("crowd.html");
    let page = html::render(&Judged::new(crowd(1_000, 100_000)));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for left_out in ["Not drawn:", "more receivers are not shown"] {
        assert!(page.contains(left_out), "{left_out}");
    }
    std::fs::write(&file, page).expect("a page");
    // Other tests run beside this one: the quickest of a few counts.
    let times = (0..5).map(|_| {
        let page = open(&mut browser, &file);
        let entry = "performance.getEntriesByType('navigation')[0]";
        browser.wait_for(&page, &format!("{entry}.loadEventEnd > 0"), &json!(true));
        let time = browser.evaluate(&page, &format!("{entry}.loadEventEnd"));
        time.as_f64().expect("milliseconds")
    });
    let quickest = times.fold(f64::INFINITY, f64::min);
    eprintln!("it takes {quickest} ms");
    assert!(quickest < 2_000.0, "that is too long");
}
