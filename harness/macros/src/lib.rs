//! The attribute `#[squall::test]`, and `squall::main!`.
//!
//! It extracts what it needs from a function by hand: its attributes, its name, the rest. A parser
//! for all of Rust would cost a user more seconds than everything else here.
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use std::str::FromStr;

/// A test in a simulated world: the function describes machines, faults and what must hold; the
/// test plays it with one seed after another, each run in its own process.
///
/// `#[squall::test]` plays 100 seeds, `#[squall::test(seeds = 1000)]` as many as it says. The
/// function takes one argument, a `&mut squall::prelude::World`, and returns nothing. Other
/// attributes of a test, such as `#[ignore]`, are kept.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    match expand(arguments, function.clone()) {
        Ok(test) => test,
        // The function stays, so that its absence causes no second error.
        Err(wrong) => [complaint(&wrong), function].into_iter().collect(),
    }
}

const SEEDS: &str = "100";

struct Wrong {
    what: &'static str,
    at: Span,
}

fn wrong<T>(what: &'static str, at: Span) -> Result<T, Wrong> {
    Err(Wrong { what, at })
}

fn expand(arguments: TokenStream, function: TokenStream) -> Result<TokenStream, Wrong> {
    let seeds = seeds(arguments)?;
    let Function {
        attributes,
        head,
        name,
        rest,
    } = read(function)?;
    let text = name.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    let test = spanned(
        &format!(
            "fn __play(order: &[u8]) -> ::std::vec::Vec<u8> {{ ::squall::test::play(order, {name}) }} \
             ::squall::test::Test {{ \
                 module: ::core::module_path!(), name: {text:?}, seeds: {seeds}, play: __play }}"
        ),
        name.span(),
    );
    // The function itself is nested inside the one that returns the test. Where one is left out by
    // `#[cfg]`, so is the other.
    let described = head.iter().cloned().chain([name.clone().into()]);
    let described = block(described.chain(rest).chain(test).collect());
    let mut all: TokenStream = cfgs(&attributes);
    all.extend(plain("#[doc(hidden)] #[allow(dead_code, unreachable_pub)]"));
    let description = description(&name);
    all.extend(plain(&format!(
        "pub fn {description}() -> ::squall::test::Test"
    )));
    all.extend([described]);
    all.extend(attributes);
    all.extend(plain(
        // Outside a test, as in an example in the documentation, it is a function that can be
        // called.
        "#[cfg_attr(test, ::core::prelude::v1::test)] #[cfg_attr(not(test), allow(dead_code))]",
    ));
    all.extend(head);
    all.extend([TokenTree::from(name)]);
    all.extend([Group::new(Delimiter::Parenthesis, TokenStream::new())].map(TokenTree::from));
    all.extend([block(plain(&format!(
        "::squall::test::run({description}())"
    )))]);
    Ok(all)
}

fn block(code: TokenStream) -> TokenTree {
    Group::new(Delimiter::Brace, code).into()
}

/// The name of the function that returns the test with this name.
fn description(name: &Ident) -> Ident {
    let text = name.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    Ident::new(&format!("__squall_{text}"), name.span())
}

/// Those of a function's attributes that say whether it exists.
fn cfgs(attributes: &[TokenTree]) -> TokenStream {
    let is_cfg = |attribute: &&[TokenTree]| match attribute {
        [_, TokenTree::Group(group)] => {
            let first = group.stream().into_iter().next();
            first.is_some_and(|first| first.to_string() == "cfg")
        }
        _ => false,
    };
    let cfgs = attributes.chunks(2).filter(is_cfg);
    cfgs.flatten().cloned().collect()
}

/// A project's own command, made of its simulated tests: `squall::main!(nothing_is_lost,
/// orders::in_order);`, in an example or in a test with `harness = false`.
///
/// It can `list` them, `run` them, `explore` many seeds and tell every story that they have,
/// `shrink` a seed that fails, and say `why` it does: `cargo run --example sim -- run
/// nothing_is_lost --seed 17`. The tests may be in a file that `cargo test` plays:
///
/// ```ignore
/// #[path = "../tests/orders.rs"]
/// mod orders;
///
/// squall::main!(orders::nothing_is_lost, orders::nothing_comes_twice);
/// ```
///
/// Of systems, which are types, it makes the command `squall` for them, with all of its verbs:
/// `squall::main!(MySystem);`, or several, of which the first is what a scenario file is about that
/// does not say so. That takes the crate `squall-cli`, beside `squall`.
#[proc_macro]
pub fn main(named: TokenStream) -> TokenStream {
    let named: Vec<TokenTree> = named.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ',');
    let paths: Vec<_> = named.split(is_comma).filter(|it| !it.is_empty()).collect();
    let systems = paths.iter().filter(|path| is_type(path)).count();
    let made = match systems {
        0 => main_of_tests(&paths),
        all if all == paths.len() => Ok(main_of_systems(&paths)),
        _ => wrong(
            "write either tests or systems: each has a command of its own",
            Span::call_site(),
        ),
    };
    made.unwrap_or_else(|wrong| complaint(&wrong))
}

/// Whether a path ends as names of types do.
fn is_type(path: &[TokenTree]) -> bool {
    let last = path.last().map(TokenTree::to_string).unwrap_or_default();
    last.starts_with(char::is_uppercase) || last == ">"
}

fn main_of_tests(paths: &[&[TokenTree]]) -> Result<TokenStream, Wrong> {
    let tests = TokenTree::from(Group::new(Delimiter::Bracket, tests_of(paths)?));
    let tests = plain("&").into_iter().chain([tests]);
    let tests = tests.chain(plain(", ::std::env::args()")).collect();
    let mut call = plain("::squall::test::command");
    call.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, tests))]);
    let mut main = plain("fn main() -> ::std::process::ExitCode");
    main.extend([block(call)]);
    Ok(main)
}

/// `a::b, c` as `a::__squall_b(), __squall_c()`.
fn tests_of(paths: &[&[TokenTree]]) -> Result<TokenStream, Wrong> {
    const HELP: &str = "write the names of tests, as in `squall::main!(orders::nothing_is_lost)`";
    let mut all = TokenStream::new();
    for path in paths {
        let Some((TokenTree::Ident(name), before)) = path.split_last() else {
            return wrong(HELP, path[0].span());
        };
        all.extend(before.iter().cloned());
        all.extend([TokenTree::from(description(name))]);
        all.extend(plain("(),"));
    }
    match all.is_empty() {
        true => wrong(HELP, Span::call_site()),
        false => Ok(all),
    }
}

/// A `main` for `a::B, C`, which installs them wherever runs are played.
fn main_of_systems(paths: &[&[TokenTree]]) -> TokenStream {
    let mut known = TokenStream::new();
    for path in paths {
        known.extend(plain("::squall_cli::Known::of::<"));
        known.extend(path.iter().cloned());
        known.extend(plain(">(),"));
    }
    let known = TokenTree::from(Group::new(Delimiter::Bracket, known));
    let known = plain("&").into_iter().chain([known]).collect();
    let mut install = plain("::squall_cli::install");
    install.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, known))]);
    let mut body = plain("fn install()");
    body.extend([block(install)]);
    body.extend(plain(
        "::squall_cli::command::of_own(install, ::std::env::args_os())",
    ));
    let mut main = plain("fn main() -> ::std::process::ExitCode");
    main.extend([block(body)]);
    main
}

/// What `seeds = 100` says.
fn seeds(arguments: TokenStream) -> Result<String, Wrong> {
    const HELP: &str = "write `#[squall::test]` or `#[squall::test(seeds = 100)]`";
    let all: Vec<TokenTree> = arguments.into_iter().collect();
    match &all[..] {
        [] => Ok(SEEDS.to_owned()),
        [
            TokenTree::Ident(name),
            TokenTree::Punct(equals),
            TokenTree::Literal(count),
        ] if name.to_string() == "seeds" && equals.as_char() == '=' => {
            let digits = count.to_string().replace('_', "");
            match u64::from_str(&digits) {
                Ok(1..) => Ok(digits),
                _ => wrong(
                    "at least one seed is needed, as in `seeds = 100`",
                    count.span(),
                ),
            }
        }
        [other, ..] => wrong(HELP, other.span()),
    }
}

/// What is needed from a function.
struct Function {
    attributes: Vec<TokenTree>,
    /// `fn`, and nothing before it.
    head: Vec<TokenTree>,
    name: Ident,
    /// Its arguments and its body.
    rest: Vec<TokenTree>,
}

fn read(function: TokenStream) -> Result<Function, Wrong> {
    let mut tokens = function.into_iter().peekable();
    let mut attributes = Vec::new();
    while let Some(TokenTree::Punct(hash)) = tokens.peek()
        && hash.as_char() == '#'
    {
        attributes.extend(tokens.by_ref().take(2));
    }
    let mut head = Vec::new();
    loop {
        match tokens.next() {
            Some(TokenTree::Ident(word)) if word.to_string() == "fn" => {
                head.push(word.into());
                break;
            }
            Some(TokenTree::Ident(word)) if word.to_string() == "async" => {
                return wrong(
                    "it describes a world and waits for nothing: leave `async` to the machines",
                    word.span(),
                );
            }
            // A visibility: no other code calls a test.
            Some(TokenTree::Ident(_) | TokenTree::Group(_)) => {}
            Some(other) => return wrong("this belongs to a function", other.span()),
            None => return wrong("this belongs to a function", Span::call_site()),
        }
    }
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return wrong("this belongs to a function with a name", Span::call_site());
    };
    let rest: Vec<TokenTree> = tokens.collect();
    match rest.first() {
        Some(TokenTree::Group(arguments)) if arguments.delimiter() == Delimiter::Parenthesis => {
            if arguments.stream().is_empty() {
                return wrong(
                    "it describes a world: write `world: &mut World` between the parentheses",
                    arguments.span(),
                );
            }
        }
        _ => return wrong("a test has no type parameters", name.span()),
    }
    Ok(Function {
        attributes,
        head,
        name,
        rest,
    })
}

fn plain(code: &str) -> TokenStream {
    code.parse().expect("this is Rust")
}

/// Code whose errors, if any, are reported at this place.
fn spanned(code: &str, at: Span) -> TokenStream {
    // Names in it are resolved where the test is.
    let at = at.resolved_at(Span::call_site());
    plain(code)
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                let inner = spanned(&group.stream().to_string(), at);
                token = Group::new(group.delimiter(), inner).into();
            }
            token.set_span(at);
            token
        })
        .collect()
}

fn complaint(wrong: &Wrong) -> TokenStream {
    let message = TokenTree::Literal(proc_macro::Literal::string(wrong.what));
    let mut all: Vec<TokenTree> = vec![
        Ident::new("compile_error", wrong.at).into(),
        Punct::new('!', Spacing::Alone).into(),
        Group::new(Delimiter::Parenthesis, message.into()).into(),
        Punct::new(';', Spacing::Alone).into(),
    ];
    all.iter_mut().for_each(|token| token.set_span(wrong.at));
    all.into_iter().collect()
}
