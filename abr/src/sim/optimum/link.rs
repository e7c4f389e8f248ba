//! A cyclic link as a function from (start, bits) to the end of the transfer.

use crate::sim::trace::Trace;

/// A link on which no later request is answered earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// End of every period in seconds since the cycle's start; ascending.
    ends: Vec<f64>,
    /// Bits delivered from the cycle's start to the end of every period.
    bits: Vec<f64>,
    /// Where in the cycle a session starts, in seconds.
    origin: f64,
    latency: Latency,
}

/// A point on the link's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Whole cycles before it.
    pub(super) cycles: f64,
    /// Seconds since the start of its cycle.
    pub(super) within: f64,
    /// Its period.
    pub(super) period: usize,
}

/// How the time from request to first bit passes.
#[derive(Clone, Debug, PartialEq)]
enum Latency {
    /// On the link's own clock: requests' worth of latency from the cycle's start to the end of every period.
    /// None where all periods have this same latency in seconds.
    OnClock { constant: f64, spent: Option<Vec<f64>> },
    /// Beside it: added to every transfer while the link's clock stands still (Pensieve).
    Beside(f64),
}

impl Link {
    /// Sabre's link: all bits are payload; latency as the trace states it, passing on the link's clock.
    pub fn sabre(trace: &Trace) -> Self {
        let first = trace.periods.first().map_or(0.0, |p| p.latency_ms);
        let same = trace.periods.iter().all(|p| p.latency_ms == first);
        let mut link = Self::cycle(trace, 1.0);
        let spent = (!same).then(|| {
            let mut sum = 0.0;
            let shares = trace.periods.iter().map(|p| p.duration_ms / p.latency_ms.max(1e-6));
            shares
                .map(|share| {
                    sum += share;
                    sum
                })
                .collect()
        });
        link.latency = Latency::OnClock { constant: first / 1000.0, spent };
        link
    }

    /// Pensieve's link: 95 % payload, 80 ms that the trace does not notice; after the first cycle a cooked trace
    /// starts at zero whatever its first row says.
    pub fn pensieve(trace: &Trace) -> Self {
        let mut link = Self::cycle(trace, 0.95);
        link.latency = Latency::Beside(0.08);
        if let Some(first) = trace.cooked.as_ref().and_then(|rows| rows.first()) {
            let rate = link.bits[0] / link.ends[0].max(1e-9);
            let lead = if link.ends[0] > 0.0 { rate * first.time_s } else { 0.0 };
            link.ends.iter_mut().for_each(|end| *end += first.time_s);
            link.bits.iter_mut().for_each(|bits| *bits += lead);
            link.origin = first.time_s;
        }
        link
    }

    fn cycle(trace: &Trace, payload: f64) -> Self {
        let (mut ends, mut bits) = (Vec::new(), Vec::new());
        let (mut clock, mut sum) = (0.0, 0.0);
        for period in trace.periods.iter().filter(|p| p.duration_ms > 0.0) {
            clock += period.duration_ms / 1000.0;
            sum += period.duration_ms * period.bandwidth_kbps * payload;
            ends.push(clock);
            bits.push(sum);
        }
        Self { ends, bits, origin: 0.0, latency: Latency::Beside(0.0) }
    }

    /// When a request that starts at `start` seconds has all of `bits`; `request` counts from zero.
    pub fn fetch(&self, request: usize, start: f64, bits: f64) -> f64 {
        match &self.latency {
            Latency::Beside(latency) => {
                let aside = latency * request as f64;
                self.advance(&self.bits, start - aside, bits) + aside + latency
            }
            Latency::OnClock { constant, spent: None } => self.advance(&self.bits, start + constant, bits),
            Latency::OnClock { spent: Some(spent), .. } => {
                self.advance(&self.bits, self.advance(spent, start, 1.0), bits)
            }
        }
    }

    /// The time at which `sum`, cumulated over the cycle, has grown by `amount` since `start`.
    fn advance(&self, sum: &[f64], start: f64, amount: f64) -> f64 {
        let total = sum[sum.len() - 1];
        let Place { mut cycles, within, period } = self.place(start + self.origin);
        let mut wanted = self.at(sum, period, within) + amount;
        let mut from = period;
        if wanted > total {
            let more = ((wanted - total) / total).ceil();
            cycles += more;
            wanted = (wanted - more * total).clamp(0.0, total);
            from = 0;
        }
        let period = from + gallop(&sum[from..], wanted);
        let (begin, sum_before) = self.before(sum, period);
        let share = (sum[period] - sum_before).max(f64::MIN_POSITIVE);
        let into = (self.ends[period] - begin) * ((wanted - sum_before) / share).clamp(0.0, 1.0);
        f64::max(cycles * self.cycle_s() + begin + into - self.origin, start)
    }

    /// The link's clock at `wall` seconds when `requests` are over.
    pub(super) fn clock(&self, requests: usize, wall: f64) -> f64 {
        match self.latency {
            Latency::Beside(latency) => wall - latency * requests as f64 + self.origin,
            Latency::OnClock { .. } => wall + self.origin,
        }
    }

    /// Seconds of a cycle.
    pub(super) fn cycle_s(&self) -> f64 {
        self.ends[self.ends.len() - 1]
    }

    /// Bits of a cycle.
    pub(super) fn cycle_bits(&self) -> f64 {
        self.bits[self.bits.len() - 1]
    }

    /// Ends of the periods in seconds since the cycle's start, and the bits delivered by then.
    pub(super) fn boundaries(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + '_ {
        self.ends.iter().copied().zip(self.bits.iter().copied())
    }

    /// Where in which cycle a time on the link's clock lies.
    pub(super) fn place(&self, clock: f64) -> Place {
        let cycle = self.cycle_s();
        let cycles = (clock / cycle).floor();
        let within = (clock - cycles * cycle).clamp(0.0, cycle);
        let period = self.ends.partition_point(|&end| end <= within).min(self.ends.len() - 1);
        Place { cycles, within, period }
    }

    /// Bits delivered from the start of a cycle until a place in it.
    pub(super) fn delivered(&self, place: &Place) -> f64 {
        self.at(&self.bits, place.period, place.within)
    }

    /// Start of a period, and what was cumulated by then.
    fn before(&self, sum: &[f64], period: usize) -> (f64, f64) {
        if period == 0 { (0.0, 0.0) } else { (self.ends[period - 1], sum[period - 1]) }
    }

    fn at(&self, sum: &[f64], period: usize, within: f64) -> f64 {
        let (begin, sum_before) = self.before(sum, period);
        let share = (within - begin) / (self.ends[period] - begin).max(f64::MIN_POSITIVE);
        sum_before + (sum[period] - sum_before) * share.clamp(0.0, 1.0)
    }
}

/// The first place whose value reaches `wanted`, near the beginning as a rule; the last when none does.
fn gallop(values: &[f64], wanted: f64) -> usize {
    let mut reach = 1;
    while reach < values.len() && values[reach - 1] < wanted {
        reach *= 2;
    }
    let (from, to) = (reach / 2, reach.min(values.len()));
    (from + values[from..to].partition_point(|&value| value < wanted)).min(values.len() - 1)
}
