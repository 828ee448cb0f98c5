//! What programs claim about themselves: `always!`, `sometimes!` and `reachable!`.
//!
//! Claims that must always be true are judged in each run. A claim that must be true sometimes is
//! *held* in a run that sees it and not exercised in the others: a test checks whether any of its
//! runs saw it.

use super::verdict::Findings;
use super::{Checker, Claim, Observed, Told, Verdict};
use crate::seconds;

/// Whether what programs claim is true. [`always`], [`sometimes`] and [`reachable`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Claims(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Always,
    Sometimes(String),
    Reachable(String),
}

/// What programs claim with `always!` is true.
pub fn always() -> Claims {
    Claims(Kind::Always)
}

/// What programs claim with `sometimes!`, in these words, is true at least once.
pub fn sometimes(what: &str) -> Claims {
    Claims(Kind::Sometimes(what.to_owned()))
}

/// Some program reaches the `reachable!` with these words.
pub fn reachable(what: &str) -> Claims {
    Claims(Kind::Reachable(what.to_owned()))
}

impl Checker for Claims {
    fn name(&self) -> String {
        match &self.0 {
            Kind::Always => "always".to_owned(),
            Kind::Sometimes(what) => format!("sometimes: {what}"),
            Kind::Reachable(what) => format!("reachable: {what}"),
        }
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut findings = Findings::default();
        for (place, it) in history.told.iter().enumerate() {
            match (&self.0, &it.told) {
                (Kind::Always, Told::Always(Claim { holds: true, .. })) => findings.held(),
                (Kind::Always, Told::Always(claim)) => {
                    findings.violated(it.at, vec![place], || {
                        let (who, at) = (history.name(it.machine), seconds(it.at));
                        format!(
                            "on {who}, at {at}, it is not so that {} ({}).",
                            claim.what, claim.place
                        )
                    });
                }
                (Kind::Sometimes(what), Told::Sometimes(claim)) if claim.what == *what => {
                    match claim.holds {
                        true => findings.held(),
                        false => findings.leave_out("it was not so"),
                    }
                }
                (Kind::Reachable(what), Told::Reached(claim)) if claim.what == *what => {
                    findings.held();
                }
                _ => {}
            }
        }
        findings.verdict(|| match &self.0 {
            Kind::Always => "no program has claimed anything".to_owned(),
            Kind::Sometimes(_) => "no program came to where it is claimed".to_owned(),
            Kind::Reachable(_) => "no program came there".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn server() -> Run {
        run(&["server"])
    }

    #[test]
    fn what_is_always_so_must_be_so_each_time() {
        let fine = server().claims(1, "server", Told::Always, true);
        insta::assert_snapshot!(always().check(&fine.clone().history()), @"held in 1 case");
        let wrong = fine.claims(2, "server", Told::Always, false);
        insta::assert_snapshot!(always().check(&wrong.history()), @"violated: on server, at 2.000 s, it is not so that it is so (src/main.rs:7).");
    }

    #[test]
    fn what_is_sometimes_so_must_be_seen_once() {
        let check = sometimes("it is so");
        let never = server().claims(1, "server", Told::Sometimes, false);
        insta::assert_snapshot!(check.check(&server().history()), @"not put to the test: no program came to where it is claimed");
        insta::assert_snapshot!(check.check(&never.clone().history()), @"not put to the test: 1 not judged: it was not so");
        insta::assert_snapshot!(check.check(&never.claims(2, "server", Told::Sometimes, true).history()), @"held in 1 case; 1 not judged: it was not so");
    }

    #[test]
    fn what_is_reachable_must_be_reached() {
        let check = reachable("it is so");
        insta::assert_snapshot!(check.check(&server().history()), @"not put to the test: no program came there");
        insta::assert_snapshot!(check.check(&server().claims(1, "server", Told::Reached, true).history()), @"held in 1 case");
    }
}
