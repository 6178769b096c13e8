//! How an order's pieces become parcels, and which cannot.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{Country, Customs, Dimensions, Goods};
use crate::{Line, Money, Order, Quantity, Sku};

/// What the shop's account with the carrier says of parcels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// What a piece weighs, with its packing, whose article does not say.
    pub grams_per_piece: u32,
    /// What a parcel may weigh.
    pub max_parcel_g: u32,
    /// To these countries a parcel goes without a customs declaration.
    pub domestic_countries: BTreeSet<Country>,
    /// Whether there is a service that goes anywhere else.
    pub ships_abroad: bool,
    /// Whether the service takes several parcels under one label.
    pub multi_package: bool,
}

/// What goes into a box of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What is in it.
    pub contents: Vec<Contents>,
    /// What it weighs.
    pub weight_g: u32,
    /// How large it is, if all that is in it says so.
    pub dimensions_mm: Option<Dimensions>,
}

/// Pieces of one article in a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The article.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// What one costs.
    pub unit_price: Money,
    /// What one weighs.
    pub weight_g: u32,
    /// What customs are told of it; always there if the parcels go abroad.
    pub customs: Option<Customs>,
}

/// All that one label is bought for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcels {
    /// At least one.
    pub parcels: Vec<Parcel>,
    /// Whether they need a customs declaration.
    pub abroad: bool,
}

/// Why an order cannot be shipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unshippable {
    /// Customs have to be told what it is.
    #[error("{0} has no customs data in the catalogue and cannot be sent abroad")]
    NoCustoms(Sku),
    /// One piece is more than a parcel may weigh.
    #[error("{sku} weighs {grams} g, and a parcel at most {most} g")]
    TooHeavy {
        /// The article.
        sku: Sku,
        /// What one piece weighs.
        grams: u32,
        /// What a parcel may weigh.
        most: u32,
    },
    /// There is no service that goes there.
    #[error("nothing is sent abroad, and {0} is")]
    Abroad(String),
    /// The service takes a single one.
    #[error("the order takes {0} parcels, and the carrier's service takes one")]
    Several(usize),
    /// It is more than one shipment.
    #[error("the order takes more than {} parcels", Parcels::MOST)]
    TooMany,
}

/// A parcel being packed.
#[derive(Default)]
struct Packed<'a> {
    pieces: Vec<(&'a Line, u32)>,
    weight_g: u32,
}

impl Parcels {
    /// So many parcels are one shipment. More than a person packs for one customer is freight.
    pub const MOST: usize = 20;

    /// Packs `order` for `country`: the heaviest pieces first, each into the first parcel that has room. The same
    /// order and catalogue make the same parcels, whenever and however often. An article that is not in `goods`
    /// is one of which nothing is known.
    ///
    /// # Errors
    /// Every reason why it cannot be shipped.
    pub fn pack(
        order: &Order,
        country: &str,
        goods: &BTreeMap<Sku, Goods>,
        packing: &Packing,
    ) -> Result<Self, Vec<Unshippable>> {
        let abroad = !packing
            .domestic_countries
            .iter()
            .any(|domestic| domestic.as_str() == country);
        let known = |line: &Line| goods.get(&line.sku);
        let grams = |line: &Line| {
            let weight = known(line).and_then(|goods| goods.weight_g);
            weight.unwrap_or(packing.grams_per_piece)
        };
        let customs = |line: &Line| known(line).and_then(|goods| goods.customs.clone());
        let most = packing.max_parcel_g;
        let mut problems = Vec::new();
        for line in &order.lines {
            let (sku, grams) = (line.sku.clone(), grams(line));
            if grams > most {
                problems.push(Unshippable::TooHeavy { sku, grams, most });
            } else if abroad && customs(line).is_none() {
                problems.push(Unshippable::NoCustoms(sku));
            }
        }
        if abroad && !packing.ships_abroad {
            problems.insert(0, Unshippable::Abroad(country.to_owned()));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut lines: Vec<&Line> = order.lines.iter().collect();
        lines.sort_by(|one, other| {
            let heavier = grams(other).cmp(&grams(one));
            heavier.then_with(|| one.sku.cmp(&other.sku))
        });
        let packed = first_fit(&lines, &grams, most).ok_or_else(|| vec![Unshippable::TooMany])?;
        if packed.len() > 1 && !packing.multi_package {
            return Err(vec![Unshippable::Several(packed.len())]);
        }
        let contents = |(line, pieces): &(&Line, u32)| {
            Some(Contents {
                sku: line.sku.clone(),
                quantity: Quantity::try_from(*pieces).ok()?,
                unit_price: line.unit_price,
                weight_g: grams(line),
                customs: customs(line),
            })
        };
        let parcel = |packed: &Packed<'_>| Parcel {
            contents: packed.pieces.iter().filter_map(contents).collect(),
            weight_g: packed.weight_g,
            dimensions_mm: box_of(&packed.pieces, |line| known(line)?.dimensions_mm),
        };
        Ok(Self {
            parcels: packed.iter().map(parcel).collect(),
            abroad,
        })
    }
}

/// No piece weighs more than `most`. `None` if it takes too many parcels.
fn first_fit<'a>(
    lines: &[&'a Line],
    grams: &impl Fn(&Line) -> u32,
    most: u32,
) -> Option<Vec<Packed<'a>>> {
    let mut packed: Vec<Packed<'a>> = Vec::new();
    for line in lines {
        let (grams, mut left) = (grams(line).max(1), line.quantity.get());
        let mut parcel = 0;
        while left > 0 {
            if parcel == packed.len() {
                if parcel == Parcels::MOST {
                    return None;
                }
                packed.push(Packed::default());
            }
            let into = &mut packed[parcel];
            let pieces = left.min((most - into.weight_g) / grams);
            if pieces > 0 {
                into.pieces.push((line, pieces));
                into.weight_g += pieces * grams;
                left -= pieces;
            }
            parcel += 1;
        }
    }
    Some(packed)
}

/// A box that holds all of it, if everything says how large it is.
fn box_of(
    pieces: &[(&Line, u32)],
    size: impl Fn(&Line) -> Option<Dimensions>,
) -> Option<Dimensions> {
    let mut whole: Option<Dimensions> = None;
    for (line, count) in pieces {
        let pile = size(line)?.pile(*count);
        whole = Some(whole.map_or(pile, |whole| whole.beside(pile)));
    }
    whole
}

impl Dimensions {
    /// The longest side first: a parcel has no upside.
    fn sorted(self) -> Self {
        let mut sides = self.0;
        sides.sort_unstable_by(|one, other| other.cmp(one));
        Self(sides)
    }

    /// The smallest box that holds both, side by side one way or another; of equally small ones that whose
    /// longest side is the shortest.
    fn beside(self, other: Self) -> Self {
        let (one, other) = (self.sorted().0, other.sorted().0);
        let along = |axis: usize| {
            let mut sides = [0, 1, 2].map(|side: usize| one[side].max(other[side]));
            sides[axis] = one[axis].saturating_add(other[axis]);
            Self(sides).sorted()
        };
        let volume = |sides: Self| {
            sides
                .0
                .iter()
                .map(|side| u128::from(*side))
                .product::<u128>()
        };
        let ways = [along(0), along(1), along(2)];
        let best = ways
            .into_iter()
            .min_by_key(|sides| (volume(*sides), *sides));
        best.unwrap_or_else(|| along(2))
    }

    /// The box of so many of the same: two half piles side by side.
    fn pile(self, count: u32) -> Self {
        if count <= 1 {
            return self.sorted();
        }
        let half = self.pile(count / 2);
        let rest = if count.is_multiple_of(2) {
            half
        } else {
            self.pile(count - count / 2)
        };
        half.beside(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Submission;

    fn order(lines: &[(&str, u32)]) -> Order {
        let total: u32 = lines.iter().map(|(_, quantity)| quantity * 100).sum();
        let line = |(sku, quantity): &(&str, u32)| -> serde_json::Value {
            json!({"sku": sku, "quantity": quantity, "unit_price": 100})
        };
        let document = json!({
            "schema_version": 1, "order_id": "ord-1", "currency": "USD",
            "customer": {"customer_id": "cus-7", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Springfield",
                "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": lines.iter().map(line).collect::<Vec<_>>(),
            "shipping_fee": 0, "tax": 0, "total": total,
        });
        let submission = Submission::parse(document.to_string().as_bytes());
        submission.expect("a document").order
    }

    fn goods(of: &[(&str, u32)]) -> BTreeMap<Sku, Goods> {
        let one = |(sku, grams): &(&str, u32)| {
            let goods = Goods {
                weight_g: Some(*grams),
                ..Goods::default()
            };
            (sku.parse().expect("a sku"), goods)
        };
        of.iter().map(one).collect()
    }

    fn packing(max_parcel_g: u32) -> Packing {
        Packing {
            grams_per_piece: 500,
            max_parcel_g,
            domestic_countries: ["US".parse().expect("a country")].into(),
            ships_abroad: true,
            multi_package: true,
        }
    }

    /// What is in each parcel, and its weight.
    fn packed(order: &Order, goods: &BTreeMap<Sku, Goods>, most: u32) -> Vec<(String, u32)> {
        let parcels = Parcels::pack(order, "US", goods, &packing(most)).expect("parcels");
        assert!(!parcels.abroad);
        let told = parcels.parcels.iter().map(|parcel| {
            let contents = parcel.contents.iter();
            let contents = contents.map(|one| format!("{} {}", one.quantity.get(), one.sku));
            (contents.collect::<Vec<_>>().join(", "), parcel.weight_g)
        });
        told.collect()
    }

    #[test]
    fn one_parcel_is_enough_for_what_it_may_weigh() {
        let goods = goods(&[("MUG", 350)]);
        let one = packed(&order(&[("MUG", 2), ("OLD", 1)]), &goods, 1200);
        assert_eq!(one, [("1 OLD, 2 MUG".to_owned(), 1200)]);
    }

    #[test]
    fn pieces_are_packed_first_fit_the_heaviest_first() {
        let goods = goods(&[("BIG", 700), ("MID", 400), ("TINY", 100)]);
        let expected = [
            ("1 BIG, 3 TINY".to_owned(), 1000),
            ("1 BIG, 1 TINY".to_owned(), 800),
            ("2 MID".to_owned(), 800),
        ];
        let lines = [("TINY", 4), ("MID", 2), ("BIG", 2)];
        assert_eq!(packed(&order(&lines), &goods, 1000), expected);
        // In whatever order the lines are written.
        let lines = [("BIG", 2), ("TINY", 4), ("MID", 2)];
        assert_eq!(packed(&order(&lines), &goods, 1000), expected);
    }

    #[test]
    fn no_parcel_is_too_heavy_and_no_piece_is_lost() {
        let goods = goods(&[("A", 333), ("B", 501), ("C", 1)]);
        let order = order(&[("A", 17), ("B", 9), ("C", 1000)]);
        let parcels = Parcels::pack(&order, "US", &goods, &packing(1000)).expect("parcels");
        let mut pieces = BTreeMap::new();
        for parcel in &parcels.parcels {
            assert!(parcel.weight_g <= 1000, "{parcel:?}");
            let weighed = parcel.contents.iter();
            let weighed = weighed
                .map(|one| one.weight_g * one.quantity.get())
                .sum::<u32>();
            assert_eq!(parcel.weight_g, weighed);
            for one in &parcel.contents {
                *pieces.entry(one.sku.as_str()).or_insert(0) += one.quantity.get();
            }
        }
        assert_eq!(pieces, [("A", 17), ("B", 9), ("C", 1000)].into());
    }

    #[test]
    fn what_cannot_be_shipped_is_told_line_by_line() {
        let goods = goods(&[("SAFE", 40_000), ("MUG", 350)]);
        let order = order(&[("SAFE", 1), ("MUG", 1)]);
        let told = |country: &str| {
            let problems = Parcels::pack(&order, country, &goods, &packing(30_000));
            let problems = problems.expect_err("unshippable");
            let told = problems.iter().map(ToString::to_string);
            told.collect::<Vec<_>>()
        };
        let heavy = "SAFE weighs 40000 g, and a parcel at most 30000 g";
        assert_eq!(told("US"), [heavy]);
        let unknown = "MUG has no customs data in the catalogue and cannot be sent abroad";
        assert_eq!(told("CH"), [heavy, unknown]);
    }

    #[test]
    fn an_order_of_too_many_parcels_is_no_shipment() {
        let goods = goods(&[("MUG", 1000)]);
        let most = u32::try_from(Parcels::MOST).expect("a number");
        assert_eq!(
            packed(&order(&[("MUG", most)]), &goods, 1000).len(),
            Parcels::MOST
        );
        let problems = Parcels::pack(&order(&[("MUG", most + 1)]), "US", &goods, &packing(1000));
        assert_eq!(problems, Err(vec![Unshippable::TooMany]));
        // The most that can be ordered is told at once.
        let problems = Parcels::pack(&order(&[("MUG", 10_000)]), "US", &goods, &packing(1000));
        assert_eq!(problems, Err(vec![Unshippable::TooMany]));
    }

    #[test]
    fn a_box_holds_what_is_in_it() {
        let mug = Dimensions([100, 100, 100]);
        assert_eq!(mug.pile(1), mug);
        assert_eq!(mug.pile(2), Dimensions([200, 100, 100]));
        assert_eq!(mug.pile(8), Dimensions([200, 200, 200]));
        let shirt = Dimensions([20, 300, 200]);
        assert_eq!(shirt.pile(10), Dimensions([300, 200, 200]));
        assert_eq!(mug.beside(shirt), Dimensions([300, 200, 120]));
    }

    #[test]
    fn a_parcel_is_as_large_as_all_that_is_in_it_says() {
        let mut goods = goods(&[("A", 100), ("B", 100)]);
        let size = Some(Dimensions([100, 50, 20]));
        goods
            .get_mut(&"A".parse().expect("a sku"))
            .expect("A")
            .dimensions_mm = size;
        let parcel = |lines: &[(&str, u32)]| {
            let parcels = Parcels::pack(&order(lines), "US", &goods, &packing(1000));
            parcels.expect("parcels").parcels.remove(0)
        };
        let alone = Some(Dimensions([100, 50, 20]));
        assert_eq!(parcel(&[("A", 1)]).dimensions_mm, alone);
        assert_eq!(parcel(&[("A", 1), ("B", 1)]).dimensions_mm, None);
    }

    #[test]
    fn what_had_no_room_in_a_parcel_does_not_make_its_box_larger() {
        let mut goods = goods(&[("A", 700), ("B", 600)]);
        for (sku, side) in [("A", 100), ("B", 200)] {
            let goods = goods.get_mut(&sku.parse().expect("a sku")).expect("it");
            goods.dimensions_mm = Some(Dimensions([side; 3]));
        }
        let parcels = Parcels::pack(&order(&[("A", 1), ("B", 1)]), "US", &goods, &packing(1000));
        let parcels = parcels.expect("parcels").parcels;
        let boxes = parcels.iter().map(|parcel| parcel.dimensions_mm);
        let expected = [100, 200].map(|side| Some(Dimensions([side; 3])));
        assert_eq!(boxes.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_service_for_one_parcel_takes_no_order_of_two() {
        let single = Packing {
            multi_package: false,
            ..packing(1000)
        };
        let none = BTreeMap::new();
        let fits = Parcels::pack(&order(&[("MUG", 2)]), "US", &none, &single);
        assert_eq!(fits.expect("one parcel").parcels.len(), 1);
        let problems = Parcels::pack(&order(&[("MUG", 3)]), "US", &none, &single);
        assert_eq!(problems, Err(vec![Unshippable::Several(2)]));
    }

    #[test]
    fn without_a_service_abroad_nothing_goes_there() {
        let at_home = Packing {
            ships_abroad: false,
            ..packing(1000)
        };
        let (order, none) = (order(&[("MUG", 1)]), BTreeMap::new());
        let problems = Parcels::pack(&order, "CH", &none, &at_home).expect_err("refused");
        assert_eq!(problems[0], Unshippable::Abroad("CH".to_owned()));
        assert!(Parcels::pack(&order, "US", &none, &at_home).is_ok());
    }
}
