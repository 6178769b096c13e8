#![doc = include_str!("../README.md")]

mod answer;
mod bug;
mod database;
mod ports;
mod providers;
mod world;

pub use answer::{Answer, Call, Lost, Mood, Said, Whom};
pub use bug::Bug;
pub use ports::{Ports, Wire};
pub use world::{
    BookedLabel, BookedPayment, Fixed, HashedText, Recorded, Scene, Snapshot, Waiting, World,
};
