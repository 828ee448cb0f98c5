//! Faults that begin and end when somebody says so.

use super::diary::Diary;
use super::line::Line;
use super::timetable::{Turn, over};
use squall::Plan;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

/// What somebody says: a fault of the plan begins, for as long as it lasts, or ends. Faults are
/// counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Begin(usize),
    End(usize),
}

impl Order {
    /// Reads `begin 1` or `end 1`, for one of so many faults.
    ///
    /// # Errors
    /// What is wrong with it, with a remedy.
    pub(crate) fn read(line: &str, faults: usize) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no order\n  Write `begin 1` or `end 1`, with the number of a fault from 1 to {faults}.",
                line.trim()
            )
        };
        let (word, number) = line.trim().split_once(' ').ok_or_else(wrong)?;
        let number: usize = number.trim().parse().map_err(|_| wrong())?;
        match word {
            _ if !(1..=faults).contains(&number) => Err(wrong()),
            "begin" => Ok(Order::Begin(number - 1)),
            "end" => Ok(Order::End(number - 1)),
            _ => Err(wrong()),
        }
    }
}

/// All that has begun, in order.
#[derive(Default)]
pub(super) struct Turns(Mutex<Vec<Turn>>);

impl Turns {
    pub(super) fn all(&self) -> Vec<Turn> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Turn>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Does as it is told, forever, and answers.
pub(super) async fn obey(
    plan: Plan,
    lines: Vec<Arc<Line>>,
    turns: Arc<Turns>,
    diary: Arc<Diary>,
    mut orders: UnboundedReceiver<Order>,
    zero: impl Fn() -> Instant,
    answer: impl Fn(String),
) {
    let mut disturbed = false;
    loop {
        // When all that has begun is over; none if something lasts until it is ended.
        let whole = turns.all().iter().try_fold(Duration::ZERO, |latest, turn| {
            let until = over(&plan.faults[turn.fault], turn.from, turn.until)?;
            Some(latest.max(until))
        });
        let whole = whole.filter(|_| disturbed);
        // What is over at once is written down before anything can end the proxy.
        if whole.is_some_and(|whole| zero().elapsed() >= whole) {
            diary.healed();
            disturbed = false;
            continue;
        }
        let healed = async {
            match whole {
                Some(whole) => sleep_until(zero() + whole).await,
                None => std::future::pending().await,
            }
        };
        let order = tokio::select! {
            () = healed => continue,
            order = orders.recv() => order,
        };
        let now = zero().elapsed();
        match order {
            // Nobody says anything any more; what has begun goes on.
            None => orders = tokio::sync::mpsc::unbounded_channel().1,
            Some(Order::Begin(fault)) => {
                let planned = &plan.faults[fault];
                let until = planned.until.map(|until| now + (until - planned.from));
                let turn = Turn {
                    fault,
                    from: now,
                    until,
                };
                turns.change(|turns| turns.push(turn));
                lines.iter().for_each(|line| line.begin(turn));
                if !std::mem::replace(&mut disturbed, true) {
                    diary.disturbed();
                }
                let lasts = until.map_or("until it is ended".to_owned(), |until| {
                    format!("for {:.3} s", (until - now).as_secs_f64())
                });
                answer(format!("{} begins, {lasts}", planned.label(fault + 1)));
            }
            Some(Order::End(fault)) => {
                turns.change(|turns| {
                    let own = turns.iter_mut().filter(|turn| turn.fault == fault);
                    own.for_each(|turn| {
                        turn.until = Some(turn.until.map_or(now, |until| until.min(now)));
                    });
                });
                lines.iter().for_each(|line| line.end(fault, now));
                answer(format!("{} ends", plan.faults[fault].label(fault + 1)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;
    use std::fs::File;
    use tokio::sync::{mpsc, oneshot};

    /// A reset is over at once, but a timer for "at once" took a millisecond.
    #[tokio::test]
    async fn what_is_over_at_once_is_written_down_before_the_proxy_can_end() {
        let plan = plan("[[fault]]\nkind = 'reset'\nvictims = 'alice'\nat = '1s'", 1);
        let file = std::env::temp_dir().join(format!("squall-reset-{}", std::process::id()));
        let log = File::create(&file).expect("a file");
        let (send, orders) = mpsc::unbounded_channel();
        send.send(Order::Begin(0)).expect("obey listens");
        let (said, has_said) = oneshot::channel::<()>();
        let said = Mutex::new(Some(said));
        let beginning = Instant::now();
        let obeying = obey(
            plan,
            Vec::new(),
            Arc::default(),
            Arc::new(Diary::new(Some(log))),
            orders,
            move || beginning,
            move |_| drop(said.lock().expect("one").take()),
        );
        tokio::select! {
            biased;
            () = obeying => unreachable!("it obeys forever"),
            _ = has_said => {}
        }
        let log = std::fs::read_to_string(&file).expect("a log");
        std::fs::remove_file(file).expect("it is there");
        assert_eq!(
            [
                log.matches("disturbed").count(),
                log.matches("healed").count()
            ],
            [1, 1]
        );
    }

    #[test]
    fn an_order_names_a_fault_that_there_is() {
        assert_eq!(Order::read("begin 1\n", 2), Ok(Order::Begin(0)));
        assert_eq!(Order::read(" end  2", 2), Ok(Order::End(1)));
        for wrong in ["begin", "begin 0", "begin 3", "stop 1", "begin x", ""] {
            let told = Order::read(wrong, 2).expect_err("no order");
            assert!(told.contains("from 1 to 2"), "{told}");
        }
    }
}
