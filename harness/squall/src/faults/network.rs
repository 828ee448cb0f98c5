//! Faults of links: losses, other links, other addresses.

use super::about::{About, Aim, Drawn, Field, Lasts, Told};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::cast::SERVER;
use crate::dice::Draw;
use crate::links::{self, LinkChange, PlannedLink};
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::{DisturbanceKind, Lost};
use std::time::Duration;

/// Packets between the victims and the server are lost at random.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Loss {
    /// The probability, 0 to 1.
    pub loss: Setting<f64>,
}

impl Told for Loss {
    const ABOUT: About = About {
        happens: "packets between the server and the victims are lost with the probability in \
            the field `loss` ⇄",
        fields: &[Field::probability("loss", "The probability that a packet is lost.").needed()],
        drawn: Drawn::new(5, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Loss {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let loss = table.need("loss", problems)?.value;
        Some(Loss { loss })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let loss = draw.fixed(&format!("{fault}: loss"), self.loss);
        Loss { loss }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        (self.loss != Setting::Fixed(0.0)).then_some(DisturbanceKind::Lossy)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin(Intervention::Loss {
            between: (stage.server.clone(), stage.victims.clone()),
            loss: Some(self.loss.min()),
        });
        stage.end(Intervention::Loss {
            between: (stage.server.clone(), stage.last_victims()),
            loss: None,
        });
    }

    fn words(&self, victims: &str) -> String {
        let loss = self.loss.min();
        format!("loss of {loss} between {SERVER} and {victims}")
    }

    fn silence(&self) -> Option<Lost> {
        (self.loss == Setting::Fixed(1.0)).then_some(Lost::BothWays)
    }
}

/// The victims have another link for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OtherLink {
    /// How it differs.
    pub link: LinkChange,
}

impl Told for OtherLink {
    const ABOUT: About = About {
        happens: "the victims have another link for a while; the table `link` says what is \
            different, as in `[link]`",
        fields: &[Field::link("link", "What is different about the link.").needed()],
        drawn: Drawn::new(5, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for OtherLink {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let wanted = "Write what is different, as in `link.preset = \"train\"` or \
            `link = { latency = \"200ms\" }`; its fields are those of `[link]`.";
        table.require("link", wanted, problems);
        let link = links::read_named(table, problems);
        Some(OtherLink { link })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let link = self.link.draw(&format!("{fault}: link"), draw);
        OtherLink { link }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Slow)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (victim, link) in stage.links() {
            stage.relink(victim, &self.link.on(&link));
            stage.link_back(victim, &link);
        }
    }

    fn words(&self, victims: &str) -> String {
        let preset = self.link.preset.as_ref().map(|name| format!(" ({name})"));
        let preset = preset.unwrap_or_default();
        format!("another link{preset} between {SERVER} and {victims}")
    }
}

/// The victims get another address, as when a phone leaves a wifi: their connections no longer hear
/// anything. They also get another link, if the scenario says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddressChange {
    /// How the link over which the new address is reached differs.
    pub link: LinkChange,
}

impl Told for AddressChange {
    const ABOUT: About = About {
        happens: "the victims get another address, once, as when a phone leaves a wifi: \
            nothing comes or goes under the old one. The table `link` may say what is \
            different about their link from then on",
        fields: &[Field::link(
            "link",
            "What is different about the link from then on.",
        )],
        lasts: Lasts::NoTime,
        drawn: Drawn::new(5, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for AddressChange {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let link = links::read_named(table, problems);
        Some(AddressChange { link })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let link = self.link.draw(&format!("{fault}: link"), draw);
        AddressChange { link }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Address)
    }

    fn link_for_good(&self, usual: &PlannedLink) -> Option<PlannedLink> {
        Some(self.link.on(usual))
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Intervention::Move);
        for (victim, link) in stage.links() {
            stage.relink(victim, &self.link.on(&link));
        }
    }

    fn words(&self, victims: &str) -> String {
        let preset = self
            .link
            .preset
            .as_ref()
            .map(|name| format!(" and a link ({name})"));
        let preset = preset.unwrap_or_default();
        format!("another address{preset} for {victims}")
    }

    fn duration(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}
