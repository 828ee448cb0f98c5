//! The order in which people look names up: `client-44` before `client-190`.

use std::cmp::Ordering;

/// Compares two names: letters as letters, and adjacent digits as the number they form.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (piece(&mut left), piece(&mut right)) {
            (None, None) => return a.cmp(b),
            (Some(Piece::Number(this)), Some(Piece::Number(other))) => {
                let (this, other) = (this.trim_start_matches('0'), other.trim_start_matches('0'));
                (this.len(), this).cmp(&(other.len(), other))
            }
            (this, other) => this.map(Piece::text).cmp(&other.map(Piece::text)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A part of a name.
enum Piece<'n> {
    Number(&'n str),
    Letter(&'n str),
}

impl<'n> Piece<'n> {
    fn text(self) -> &'n str {
        match self {
            Piece::Number(text) | Piece::Letter(text) => text,
        }
    }
}

/// Takes the first part of the rest of a name: all digits that it begins with, or one letter.
fn piece<'n>(rest: &mut &'n str) -> Option<Piece<'n>> {
    let first = rest.chars().next()?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let length = if digits == 0 {
        first.len_utf8()
    } else {
        digits
    };
    let (taken, left) = rest.split_at(length);
    *rest = left;
    Some(match digits {
        0 => Piece::Letter(taken),
        _ => Piece::Number(taken),
    })
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_stand_in_the_order_of_their_numbers() {
        let mut names = [
            "client-190",
            "bob",
            "client-44",
            "client-44b",
            "client",
            "client-044",
            "client-",
            "élan-10",
            "élan-9",
            "7",
            "",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "",
                "7",
                "bob",
                "client",
                "client-",
                "client-044",
                "client-44",
                "client-44b",
                "client-190",
                "élan-9",
                "élan-10"
            ]
        );
    }
}
