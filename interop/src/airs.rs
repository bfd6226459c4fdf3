//! Hand-written framework AIRs and their transcripts, the native side of `stark/examples.py`.
use num_traits::{One, Zero};
use serde_json::Value;
use stwo::core::channel::Channel;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{
    relation, EvalAtRow, FrameworkComponent, FrameworkEval, Relation, RelationEntry, TraceLocationAllocator,
};

use crate::session::*;

relation!(PlonkRelation, 2);
relation!(StateRelation, 2);
relation!(XorRelation, 3);
relation!(SimpleRelation, 2);

pub fn u(p: &Value, k: &str) -> Res<u32> {
    p[k].as_u64().map(|x| x as u32).ok_or(format!("parameter {k}"))
}
pub fn flag(p: &Value, k: &str, d: bool) -> bool {
    p[k].as_bool().unwrap_or(d)
}
fn pp(id: &str) -> PreProcessedColumnId {
    PreProcessedColumnId { id: id.to_string() }
}
fn m(x: u32) -> BaseField {
    BaseField::from_u32_unchecked(x % P)
}
pub fn coset_pos(r: usize, n: u32) -> usize {
    use stwo::core::utils::{bit_reverse_index, coset_index_to_circle_domain_index};
    bit_reverse_index(coset_index_to_circle_domain_index(r, n), n)
}

// ---------------------------------------------------------------- wide fibonacci
#[derive(Clone)]
pub struct WideFib {
    pub log_n: u32,
    pub n: usize,
}
impl FrameworkEval for WideFib {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let mut a = eval.next_trace_mask();
        let mut b = eval.next_trace_mask();
        for _ in 2..self.n {
            let c = eval.next_trace_mask();
            eval.add_constraint(c.clone() - (a.square() + b.square()));
            a = b;
            b = c;
        }
        eval
    }
}
pub fn wide_fib_cols(log_n: u32, n: usize) -> Cols {
    let mut cols = vec![vec![0u32; 1 << log_n]; n];
    for j in 0..1usize << log_n {
        let (mut a, mut b) = (m(1), m(j as u32));
        cols[0][j] = a.0;
        cols[1][j] = b.0;
        for c in cols.iter_mut().skip(2) {
            (a, b) = (b, a * a + b * b);
            c[j] = b.0;
        }
    }
    cols
}
fn wide_fib(s: &mut dyn Session, p: &Value, sizes: &[(u32, usize)]) -> Res<()> {
    let cfg = s.config();
    if flag(p, "mix_config", true) {
        cfg.mix_into(s.ch());
    }
    s.commit(&[], &mut Vec::new)?;
    let logs: Vec<u32> = sizes.iter().flat_map(|&(l, n)| vec![l; n]).collect();
    s.commit(&logs, &mut || sizes.iter().flat_map(|&(l, n)| wide_fib_cols(l, n)).collect())?;
    let mut al = TraceLocationAllocator::default();
    let comps = sizes
        .iter()
        .map(|&(log_n, n)| {
            Box::new(FrameworkComponent::new(&mut al, WideFib { log_n, n }, SecureField::zero())) as Box<dyn AnyComp>
        })
        .collect();
    s.finish(comps)
}

// ---------------------------------------------------------------- degree 3 with a preprocessed column
pub struct Cube {
    pub log_n: u32,
}
impl FrameworkEval for Cube {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let sq = eval.get_preprocessed_column(pp("seq"));
        let x = eval.next_trace_mask();
        let y = eval.next_trace_mask();
        eval.add_constraint(x.clone() * x.clone() * x.clone() - y);
        eval.add_constraint(x - (sq * m(7) + E::F::from(m(3))));
        eval
    }
}
fn cube(s: &mut dyn Session, p: &Value) -> Res<()> {
    let n = u(p, "log_n")?;
    s.config().mix_into(s.ch());
    s.commit(&[n], &mut || vec![(0..1u32 << n).collect()])?;
    s.commit(&[n, n], &mut || {
        let a: Vec<u32> = (0..1u64 << n).map(|i| ((i * 7 + 3) % P as u64) as u32).collect();
        let c = a.iter().map(|&x| (m(x) * m(x) * m(x)).0).collect();
        vec![a, c]
    })?;
    let mut al = TraceLocationAllocator::default();
    s.finish(vec![Box::new(FrameworkComponent::new(&mut al, Cube { log_n: n }, SecureField::zero()))])
}

// ---------------------------------------------------------------- plonk
#[derive(Clone)]
pub struct Plonk {
    pub log_n: u32,
    pub rel: PlonkRelation,
}
pub const PLONK_PP: [&str; 4] = [
    "preprocessed_plonk_wire_a",
    "preprocessed_plonk_wire_b",
    "preprocessed_plonk_wire_c",
    "preprocessed_plonk_op",
];
impl FrameworkEval for Plonk {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let a_wire = eval.get_preprocessed_column(pp(PLONK_PP[0]));
        let b_wire = eval.get_preprocessed_column(pp(PLONK_PP[1]));
        let c_wire = eval.get_preprocessed_column(pp(PLONK_PP[2]));
        let op = eval.get_preprocessed_column(pp(PLONK_PP[3]));
        let mult = eval.next_trace_mask();
        let a = eval.next_trace_mask();
        let b = eval.next_trace_mask();
        let c = eval.next_trace_mask();
        eval.add_constraint(
            c.clone() - op.clone() * (a.clone() + b.clone()) + (E::F::one() - op) * a.clone() * b.clone(),
        );
        eval.add_to_relation(RelationEntry::new(&self.rel, E::EF::one(), &[a_wire, a]));
        eval.add_to_relation(RelationEntry::new(&self.rel, E::EF::one(), &[b_wire, b]));
        eval.add_to_relation(RelationEntry::new(&self.rel, (-mult).into(), &[c_wire, c]));
        eval.finalize_logup_in_pairs();
        eval
    }
}
/// `mul_every` = 0: Fibonacci, op = 1 everywhere (the gate is then the zero polynomial, so such an
/// instance does not exercise it). k > 0: row i has op = 0, c = -(a*b), whenever i % k == k - 1.
pub fn plonk_cols(n: u32, mul_every: usize) -> (Cols, Cols) {
    let nn = 1usize << n;
    let op: Vec<u32> = (0..nn).map(|i| !(mul_every > 0 && i % mul_every == mul_every - 1) as u32).collect();
    let mut f = vec![m(1), m(1)];
    for i in 0..nn {
        f.push(if op[i] == 1 { f[i] + f[i + 1] } else { -(f[i] * f[i + 1]) });
    }
    let mut mult = vec![2u32; nn];
    mult[nn - 1] = 0;
    mult[nn - 2] = 1;
    let r = |o: usize| (o as u32..(nn + o) as u32).collect::<Vec<_>>();
    let v = |o: usize| f[o..nn + o].iter().map(|x| x.0).collect::<Vec<_>>();
    (vec![r(0), r(1), r(2), op], vec![mult, v(0), v(1), v(2)])
}
fn plonk(s: &mut dyn Session, p: &Value) -> Res<()> {
    let n = u(p, "log_n")?;
    if flag(p, "mix_config", true) {
        s.config().mix_into(s.ch());
    }
    let (pre, tr) = if s.proving() { plonk_cols(n, p["mul_every"].as_u64().unwrap_or(0) as usize) } else { Default::default() };
    s.commit(&[n; 4], &mut || pre.clone())?;
    s.commit(&[n; 4], &mut || tr.clone())?;
    let rel = PlonkRelation::draw(s.ch());
    let inter = if s.proving() { crate::logup::plonk(n, &pre, &tr, &rel) } else { Default::default() };
    let claims = s.claims(&mut || vec![inter.1])?;
    let [claim] = claims[..] else { return Err("one claimed sum expected".into()) };
    if flag(p, "mix_claimed", true) {
        s.ch().mix_felts(&claims);
    }
    s.commit(&[n; 8], &mut || inter.0.clone())?;
    // public statement of the Fibonacci instance: wires 0 and 1 are inputs with value 1
    let c = |w: u32, v: u32| -> SecureField { rel.combine(&[m(w), m(v)]) };
    if claim != c(0, 1).inverse() + (c(1, 1).inverse() + c(1, 1).inverse()) {
        return Err("plonk public sum".into());
    }
    let mut al = TraceLocationAllocator::default();
    s.finish(vec![Box::new(FrameworkComponent::new(&mut al, Plonk { log_n: n, rel }, claim))])
}

// ---------------------------------------------------------------- state machine
#[derive(Clone)]
pub struct StateTransition<const K: usize> {
    pub log_n: u32,
    pub rel: StateRelation,
}
impl<const K: usize> FrameworkEval for StateTransition<K> {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let input: [_; 2] = std::array::from_fn(|_| eval.next_trace_mask());
        let mut output = input.clone();
        output[K] += E::F::one();
        eval.add_to_relation(RelationEntry::new(&self.rel, E::EF::one(), &input));
        eval.add_to_relation(RelationEntry::new(&self.rel, -E::EF::one(), &output));
        eval.finalize_logup_in_pairs();
        eval
    }
}
pub fn state_cols(n: u32, init: [BaseField; 2], k: usize) -> Cols {
    let mut cols = vec![vec![0u32; 1 << n]; 2];
    let mut s = init;
    for r in 0..1usize << n {
        let pos = coset_pos(r, n);
        cols[0][pos] = s[0].0;
        cols[1][pos] = s[1].0;
        s[k] += m(1);
    }
    cols
}
fn state_machine(s: &mut dyn Session, p: &Value) -> Res<()> {
    let n = u(p, "log_n")?;
    let iv = |k: usize| p["initial"][k].as_u64().unwrap_or(0) as u32;
    let init = [m(iv(0)), m(iv(1))];
    let mid = [init[0] + m(1 << n), init[1]];
    let fin = [mid[0], mid[1] + m(1 << (n - 1))];
    s.config().mix_into(s.ch());
    s.commit(&[], &mut Vec::new)?;
    s.ch().mix_u64(n as u64);
    s.ch().mix_u64(n as u64 - 1);
    let (x, y) = if s.proving() { (state_cols(n, init, 0), state_cols(n - 1, mid, 1)) } else { Default::default() };
    s.commit(&[n, n, n - 1, n - 1], &mut || [x.clone(), y.clone()].concat())?;
    let rel = StateRelation::draw(s.ch());
    let (i0, i1) = if s.proving() {
        (crate::logup::state::<0>(n, &x, &rel), crate::logup::state::<1>(n - 1, &y, &rel))
    } else {
        Default::default()
    };
    let claims = s.claims(&mut || vec![i0.1, i1.1])?;
    let [c0, c1] = claims[..] else { return Err("two claimed sums expected".into()) };
    s.ch().mix_felts(&claims);
    s.commit(&[[n; 4], [n - 1; 4]].concat(), &mut || [i0.0.clone(), i1.0.clone()].concat())?;
    let ci: SecureField = rel.combine(&init);
    let cf: SecureField = rel.combine(&fin);
    if (c0 + c1) * ci * cf != cf - ci {
        return Err("state machine statement".into());
    }
    let mut al = TraceLocationAllocator::default();
    let a = FrameworkComponent::new(&mut al, StateTransition::<0> { log_n: n, rel: rel.clone() }, c0);
    let b = FrameworkComponent::new(&mut al, StateTransition::<1> { log_n: n - 1, rel }, c1);
    s.finish(vec![Box::new(a), Box::new(b)])
}

// ---------------------------------------------------------------- xor table + user
pub struct XorTable {
    pub bits: u32,
    pub rel: XorRelation,
}
pub fn xor_id(bits: u32, k: u32) -> String {
    format!("preprocessed_xor_table_{bits}_0_{k}")
}
impl FrameworkEval for XorTable {
    fn log_size(&self) -> u32 {
        2 * self.bits
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        2 * self.bits + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let t: [_; 3] = std::array::from_fn(|k| eval.get_preprocessed_column(pp(&xor_id(self.bits, k as u32))));
        let mult = eval.next_trace_mask();
        eval.add_to_relation(RelationEntry::new(&self.rel, (-mult).into(), &t));
        eval.finalize_logup_in_pairs();
        eval
    }
}
pub struct XorUser {
    pub log_n: u32,
    pub rel: XorRelation,
}
impl FrameworkEval for XorUser {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let t: [_; 3] = std::array::from_fn(|_| eval.next_trace_mask());
        eval.add_to_relation(RelationEntry::new(&self.rel, E::EF::one(), &t));
        eval.finalize_logup_in_pairs();
        eval
    }
}
pub fn xor_cols(bits: u32, n: u32) -> (Cols, Cols, Cols) {
    let mask = (1u32 << bits) - 1;
    let t = 1u32 << (2 * bits);
    let pre: Cols = vec![
        (0..t).map(|i| i >> bits).collect(),
        (0..t).map(|i| i & mask).collect(),
        (0..t).map(|i| (i >> bits) ^ (i & mask)).collect(),
    ];
    let mut mult = vec![0u32; t as usize];
    let mut user = vec![vec![]; 3];
    for j in 0..1u32 << n {
        let a = (j * 7 + 3) & mask;
        let b = (j * 5 + 1 + (j >> bits)) & mask;
        user[0].push(a);
        user[1].push(b);
        user[2].push(a ^ b);
        mult[(a << bits | b) as usize] += 1;
    }
    (pre, vec![mult], user)
}
fn xor(s: &mut dyn Session, p: &Value) -> Res<()> {
    let (bits, n) = (u(p, "bits")?, u(p, "log_n")?);
    let t = 2 * bits;
    s.config().mix_into(s.ch());
    let (pre, mult, user) = if s.proving() { xor_cols(bits, n) } else { Default::default() };
    s.commit(&[t; 3], &mut || pre.clone())?;
    s.ch().mix_u64(t as u64);
    s.ch().mix_u64(n as u64);
    s.commit(&[t, n, n, n], &mut || [mult.clone(), user.clone()].concat())?;
    let rel = XorRelation::draw(s.ch());
    let (i0, i1) = if s.proving() {
        (crate::logup::xor_table(t, &pre, &mult, &rel), crate::logup::xor_user(n, &user, &rel))
    } else {
        Default::default()
    };
    let claims = s.claims(&mut || vec![i0.1, i1.1])?;
    let [c0, c1] = claims[..] else { return Err("two claimed sums expected".into()) };
    s.ch().mix_felts(&claims);
    s.commit(&[[t; 4], [n; 4]].concat(), &mut || [i0.0.clone(), i1.0.clone()].concat())?;
    if !(c0 + c1).is_zero() {
        return Err("xor lookup sum is not zero".into());
    }
    let mut al = TraceLocationAllocator::default();
    let a = FrameworkComponent::new(&mut al, XorTable { bits, rel: rel.clone() }, c0);
    let b = FrameworkComponent::new(&mut al, XorUser { log_n: n, rel }, c1);
    s.finish(vec![Box::new(a), Box::new(b)])
}

// ---------------------------------------------------------------- "simple AIR" (two sizes, pp, 3 lookups)
pub struct Simple {
    pub log_n: u32,
    pub id: &'static str,
    pub rel: SimpleRelation,
}
impl FrameworkEval for Simple {
    fn log_size(&self) -> u32 {
        self.log_n
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_n + 1
    }
    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let row = eval.get_preprocessed_column(pp(self.id));
        let mut a = eval.next_trace_mask();
        let mut b = eval.next_trace_mask();
        for _ in 2..4 {
            let c = eval.next_trace_mask();
            eval.add_constraint(c.clone() - (a.square() + b.square() + row.clone()));
            a = b;
            b = c;
        }
        for _ in 0..3 {
            eval.add_to_relation(RelationEntry::new(&self.rel, E::EF::one(), &[a.clone(), b.clone()]));
        }
        eval.finalize_logup_in_pairs();
        eval
    }
}
pub fn simple_cols(n: u32) -> Cols {
    let mut cols = vec![vec![]; 4];
    for j in 0..1u32 << n {
        let (mut a, mut b) = (m(1), m(j));
        cols[0].push(a.0);
        cols[1].push(b.0);
        for c in &mut cols[2..] {
            (a, b) = (b, a * a + b * b + m(j));
            c.push(b.0);
        }
    }
    cols
}
fn simple(s: &mut dyn Session, p: &Value) -> Res<()> {
    let (l, h) = (u(p, "log_long")?, u(p, "log_short")?);
    s.ch().mix_felts(&[SecureField::zero()]); // salt
    s.config().mix_into(s.ch());
    let (tl, ts) = if s.proving() { (simple_cols(l), simple_cols(h)) } else { Default::default() };
    s.commit(&[h, l], &mut || vec![(0..1 << h).collect(), (0..1 << l).collect()])?;
    s.commit(&[[l; 4], [h; 4]].concat(), &mut || [tl.clone(), ts.clone()].concat())?;
    s.interaction_pow(8)?;
    let rel = SimpleRelation::draw(s.ch());
    let (i0, i1) = if s.proving() {
        (crate::logup::simple(l, &tl, &rel), crate::logup::simple(h, &ts, &rel))
    } else {
        Default::default()
    };
    let claims = s.claims(&mut || vec![i0.1, i1.1])?;
    let [c0, c1] = claims[..] else { return Err("two claimed sums expected".into()) };
    s.ch().mix_felts(&claims);
    s.commit(&[[l; 8], [h; 8]].concat(), &mut || [i0.0.clone(), i1.0.clone()].concat())?;
    let mut al = TraceLocationAllocator::new_with_preprocessed_columns(&[pp("row_const_short"), pp("row_const_long")]);
    let a = FrameworkComponent::new(&mut al, Simple { log_n: l, id: "row_const_long", rel: rel.clone() }, c0);
    let b = FrameworkComponent::new(&mut al, Simple { log_n: h, id: "row_const_short", rel }, c1);
    s.finish(vec![Box::new(a), Box::new(b)])
}

/// Largest trace log size of an instance (for the prover's twiddles).
#[cfg(feature = "emit")]
pub fn max_log(air: &str, p: &Value) -> Res<u32> {
    Ok(match air {
        "wide_fibonacci_two" => p["components"]
            .as_array()
            .ok_or("components")?
            .iter()
            .map(|c| u(c, "log_n"))
            .collect::<Res<Vec<_>>>()?
            .into_iter()
            .max()
            .unwrap(),
        "xor" => u(p, "log_n")?.max(2 * u(p, "bits")?),
        "simple" => u(p, "log_long")?,
        _ => u(p, "log_n")?,
    })
}
pub fn run(air: &str, p: &Value, s: &mut dyn Session) -> Res<()> {
    match air {
        "wide_fibonacci" => wide_fib(s, p, &[(u(p, "log_n")?, u(p, "n")? as usize)]),
        "wide_fibonacci_two" => {
            let v = p["components"]
                .as_array()
                .ok_or("components")?
                .iter()
                .map(|c| Ok((u(c, "log_n")?, u(c, "n")? as usize)))
                .collect::<Res<Vec<_>>>()?;
            wide_fib(s, p, &v)
        }
        "cube" => cube(s, p),
        "plonk" => plonk(s, p),
        "state_machine" => state_machine(s, p),
        "xor" => xor(s, p),
        "simple" => simple(s, p),
        _ => Err(format!("unknown air {air}")),
    }
}
