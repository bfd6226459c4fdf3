//! JSON expression-graph AIRs ("stwo-air-graph/1"): a `FrameworkEval` that interprets a graph, a
//! JSON-described transcript and public checks.  docs/proving.md describes the format.
use std::collections::HashMap;
use std::sync::Arc;

use num_traits::{One, Zero};
use serde::Deserialize;
use serde_json::Value;
use stwo::core::channel::Channel;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::fields::FieldExpOps;
use stwo::core::Fraction;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{
    EvalAtRow, FrameworkComponent, FrameworkEval, Relation, RelationEFTraitBound, RelationEntry,
    TraceLocationAllocator,
};

use crate::session::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Air {
    pub format: String,
    #[serde(default)]
    #[cfg_attr(not(feature = "emit"), allow(dead_code))]
    pub name: String,
    #[serde(default)]
    pub preprocessed: Vec<String>,
    #[serde(default)]
    pub relations: Vec<RelationDef>,
    pub components: Vec<CompDef>,
    pub transcript: Vec<Op>,
    #[serde(default)]
    pub checks: Vec<Check>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationDef {
    pub name: String,
    pub size: usize,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompDef {
    #[serde(default, rename = "name")]
    pub _name: String,
    #[serde(default = "one")]
    pub log_degree: u32,
    #[serde(default)]
    pub preprocessed: Vec<String>,
    /// mask offsets of every tree-1 column, in commitment order
    pub trace: Vec<Vec<isize>>,
    /// explicit tree-2 base columns (before the LogUp columns)
    #[serde(default)]
    pub interaction: Vec<Vec<isize>>,
    pub nodes: Vec<Value>,
    #[serde(default)]
    pub constraints: Vec<usize>,
    #[serde(default)]
    pub logup: Vec<FracDef>,
    #[serde(default)]
    pub batching: Batching,
}
fn one() -> u32 {
    1
}
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, untagged)]
pub enum FracDef {
    Rel { relation: String, multiplicity: usize, values: Vec<usize> },
    Raw { numerator: usize, denominator: usize },
}
#[derive(Deserialize, Clone, Default)]
#[serde(untagged)]
pub enum Batching {
    Named(String),
    List(Vec<usize>),
    #[default]
    None,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "op", rename_all = "snake_case")]
pub enum Op {
    MixConfig,
    Commit { tree: usize },
    MixU64 { v: Value },
    MixU32s { v: Vec<Value> },
    MixFelts { v: Vec<Value> },
    MixClaimedSums,
    Pow { bits: u32 },
    DrawRelation { name: String },
    DrawFelt { name: String },
    DrawFelts { names: Vec<String> },
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    #[serde(default)]
    pub name: String,
    pub nodes: Vec<Value>,
    pub zero: Vec<usize>,
}
#[derive(Deserialize, Default)]
pub struct Params {
    pub components: Vec<CompParams>,
    #[serde(default)]
    pub preprocessed_log_sizes: Vec<u32>,
    #[serde(default)]
    pub public: HashMap<String, Value>,
}
#[derive(Deserialize)]
pub struct CompParams {
    pub log_size: u32,
}

#[derive(Clone)]
pub struct DynRelation {
    pub name: String,
    pub z: SecureField,
    pub powers: Vec<SecureField>,
}
impl<F: Clone, EF: RelationEFTraitBound<F>> Relation<F, EF> for DynRelation {
    fn combine(&self, values: &[F]) -> EF {
        assert!(values.len() <= self.powers.len(), "too many values for relation {}", self.name);
        values
            .iter()
            .zip(&self.powers)
            .fold(EF::zero(), |acc, (v, p)| acc + EF::from(*p) * v.clone())
            - EF::from(self.z)
    }
    fn get_name(&self) -> &str {
        &self.name
    }
    fn get_size(&self) -> usize {
        self.powers.len()
    }
}

#[derive(Clone, Debug)]
enum Node {
    Col(usize, usize),
    ICol(usize, usize),
    IExt(usize, usize),
    Pp(usize),
    Const(BaseField),
    QConst(SecureField),
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Neg(usize),
}
#[derive(Clone)]
enum Frac {
    Rel(usize, usize, Vec<usize>),
    Raw(usize, usize),
}
#[derive(Clone)]
pub struct Graph {
    log_size: u32,
    log_degree: u32,
    pp: Vec<PreProcessedColumnId>,
    trace: Vec<Vec<isize>>,
    inter: Vec<Vec<isize>>,
    nodes: Vec<Node>,
    constraints: Vec<usize>,
    fracs: Vec<Frac>,
    batching: Vec<usize>,
    rels: Arc<Vec<DynRelation>>,
}
impl Graph {
    pub fn n_batches(&self) -> usize {
        self.batching.iter().max().map_or(0, |m| m + 1)
    }
    pub fn n_interaction(&self) -> usize {
        self.inter.len() + 4 * self.n_batches()
    }
}
#[derive(Clone)]
enum V<F, E> {
    B(F),
    E(E),
}
impl<F: Clone, EF: Clone + From<F>> V<F, EF> {
    fn ef(&self) -> EF {
        match self {
            V::B(f) => EF::from(f.clone()),
            V::E(e) => e.clone(),
        }
    }
}
fn mask<E: EvalAtRow>(e: &mut E, tree: usize, o: &[isize]) -> Vec<E::F> {
    match *o {
        [a] => e.next_interaction_mask(tree, [a]).to_vec(),
        [a, b] => e.next_interaction_mask(tree, [a, b]).to_vec(),
        [a, b, c] => e.next_interaction_mask(tree, [a, b, c]).to_vec(),
        [a, b, c, d] => e.next_interaction_mask(tree, [a, b, c, d]).to_vec(),
        _ => panic!("1..4 mask offsets per column"),
    }
}
impl FrameworkEval for Graph {
    fn log_size(&self) -> u32 {
        self.log_size
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.log_size + self.log_degree
    }
    fn evaluate<E: EvalAtRow>(&self, mut e: E) -> E {
        let pp: Vec<E::F> = self.pp.iter().map(|id| e.get_preprocessed_column(id.clone())).collect();
        let tr: Vec<Vec<E::F>> = self.trace.iter().map(|o| mask(&mut e, 1, o)).collect();
        let it: Vec<Vec<E::F>> = self.inter.iter().map(|o| mask(&mut e, 2, o)).collect();
        let mut v: Vec<V<E::F, E::EF>> = Vec::with_capacity(self.nodes.len());
        for n in &self.nodes {
            let r = match n {
                Node::Col(k, o) => V::B(tr[*k][*o].clone()),
                Node::ICol(k, o) => V::B(it[*k][*o].clone()),
                Node::IExt(k, o) => V::E(E::combine_ef(std::array::from_fn(|j| it[k + j][*o].clone()))),
                Node::Pp(k) => V::B(pp[*k].clone()),
                Node::Const(c) => V::B(E::F::from(*c)),
                Node::QConst(c) => V::E(E::EF::from(*c)),
                Node::Neg(a) => match &v[*a] {
                    V::B(x) => V::B(-x.clone()),
                    V::E(x) => V::E(-x.clone()),
                },
                Node::Add(a, b) => match (&v[*a], &v[*b]) {
                    (V::B(x), V::B(y)) => V::B(x.clone() + y.clone()),
                    (V::E(x), V::B(y)) | (V::B(y), V::E(x)) => V::E(x.clone() + y.clone()),
                    (V::E(x), V::E(y)) => V::E(x.clone() + y.clone()),
                },
                Node::Sub(a, b) => match (&v[*a], &v[*b]) {
                    (V::B(x), V::B(y)) => V::B(x.clone() - y.clone()),
                    (x, y) => V::E(x.ef() - y.ef()),
                },
                Node::Mul(a, b) => match (&v[*a], &v[*b]) {
                    (V::B(x), V::B(y)) => V::B(x.clone() * y.clone()),
                    (V::E(x), V::B(y)) | (V::B(y), V::E(x)) => V::E(x.clone() * y.clone()),
                    (V::E(x), V::E(y)) => V::E(x.clone() * y.clone()),
                },
            };
            v.push(r);
        }
        for &c in &self.constraints {
            match &v[c] {
                V::B(x) => e.add_constraint(x.clone()),
                V::E(x) => e.add_constraint(x.clone()),
            }
        }
        for f in &self.fracs {
            match f {
                Frac::Rel(r, m, vals) => {
                    let vals: Vec<E::F> = vals
                        .iter()
                        .map(|i| match &v[*i] {
                            V::B(x) => x.clone(),
                            V::E(_) => panic!("relation values must be base-field nodes"),
                        })
                        .collect();
                    e.add_to_relation(RelationEntry::new(&self.rels[*r], v[*m].ef(), &vals));
                }
                Frac::Raw(n, d) => e.write_logup_frac(Fraction::new(v[*n].ef(), v[*d].ef())),
            }
        }
        if !self.fracs.is_empty() {
            e.finalize_logup_batched(&self.batching);
        }
        e
    }
}

pub struct Env<'a> {
    pub params: &'a Params,
    pub rels: HashMap<String, DynRelation>,
    pub chal: HashMap<String, SecureField>,
    pub claims: Vec<SecureField>,
}
fn m31(x: u64) -> Res<BaseField> {
    if x >= P as u64 {
        return Err(format!("{x} is not a canonical M31"));
    }
    Ok(BaseField::from_u32_unchecked(x as u32))
}
fn felt(v: &Value) -> Res<SecureField> {
    if let Some(x) = v.as_u64() {
        return Ok(m31(x)?.into());
    }
    let q: SecureField = serde_json::from_value(v.clone()).map_err(|e| format!("field element {v}: {e}"))?;
    if q.to_m31_array().iter().any(|m| m.0 >= P) {
        return Err(format!("non-canonical field element {v}"));
    }
    Ok(q)
}
impl Env<'_> {
    fn public(&self, name: &str, i: Option<usize>) -> Res<Value> {
        let v = self.params.public.get(name).ok_or(format!("public value {name}"))?;
        Ok(match i {
            Some(i) => v.get(i).ok_or(format!("public value {name}[{i}]"))?.clone(),
            None => v.clone(),
        })
    }
    /// literal | {"log_size":c} | {"pub":name,"i":k} | {"claimed":c}
    fn arg(&self, v: &Value) -> Res<Value> {
        if let Some(c) = v.get("log_size").and_then(|x| x.as_u64()) {
            let c = self.params.components.get(c as usize).ok_or("log_size argument")?;
            return Ok(c.log_size.into());
        }
        if let Some(n) = v.get("pub").and_then(|x| x.as_str()) {
            return self.public(n, v.get("i").and_then(|x| x.as_u64()).map(|x| x as usize));
        }
        if let Some(c) = v.get("claimed").and_then(|x| x.as_u64()) {
            return serde_json::to_value(self.claims.get(c as usize).ok_or("claimed")?).map_err(|e| e.to_string());
        }
        Ok(v.clone())
    }
    fn int(&self, v: &Value) -> Res<u64> {
        self.arg(v)?.as_u64().ok_or(format!("integer expected: {v}"))
    }
}
fn arr(n: &Value) -> Res<(&str, &[Value])> {
    let a = n.as_array().ok_or("node is not an array")?;
    let op = a.first().and_then(|x| x.as_str()).ok_or("node operator")?;
    Ok((op, &a[1..]))
}
fn idx(a: &[Value], k: usize) -> Res<usize> {
    a.get(k).and_then(|x| x.as_u64()).map(|x| x as usize).ok_or("node operand".into())
}
fn name(a: &[Value], k: usize) -> Res<&str> {
    a.get(k).and_then(|x| x.as_str()).ok_or("node name operand".into())
}

fn compile(air: &Air, c: usize, env: &Env, rels: &Arc<Vec<DynRelation>>) -> Res<Graph> {
    let d = &air.components[c];
    let off = |cols: &[Vec<isize>], a: &[Value]| -> Res<(usize, usize)> {
        let k = idx(a, 0)?;
        let o = a.get(1).map_or(Some(0), |x| x.as_i64()).ok_or("offset")? as isize;
        let p = cols.get(k).and_then(|m| m.iter().position(|x| *x == o));
        Ok((k, p.ok_or(format!("offset {o} of column {k} is not in its mask"))?))
    };
    let mut nodes = vec![];
    for (i, n) in d.nodes.iter().enumerate() {
        let (op, a) = arr(n)?;
        let r = |k: usize| -> Res<usize> {
            let x = idx(a, k)?;
            (x < i).then_some(x).ok_or(format!("node {i} refers to {x}"))
        };
        nodes.push(match op {
            "col" => off(&d.trace, a).map(|(k, o)| Node::Col(k, o))?,
            "icol" => off(&d.interaction, a).map(|(k, o)| Node::ICol(k, o))?,
            "iext" => {
                let (k, o) = off(&d.interaction, a)?;
                if d.interaction.len() < k + 4 || (1..4).any(|j| d.interaction[k + j] != d.interaction[k]) {
                    return Err("iext needs four columns with equal masks".into());
                }
                Node::IExt(k, o)
            }
            "pp" => {
                let k = idx(a, 0)?;
                if k >= d.preprocessed.len() {
                    return Err("pp index".into());
                }
                Node::Pp(k)
            }
            "const" => Node::Const(m31(idx(a, 0)? as u64)?),
            "qconst" => Node::QConst(felt(&a[0])?),
            "chal" => Node::QConst(*env.chal.get(name(a, 0)?).ok_or("unknown challenge")?),
            "pub" => {
                let v = env.public(name(a, 0)?, a.get(1).and_then(|x| x.as_u64()).map(|x| x as usize))?;
                match v.as_u64() {
                    Some(x) => Node::Const(m31(x)?),
                    None => Node::QConst(felt(&v)?),
                }
            }
            "add" => Node::Add(r(0)?, r(1)?),
            "sub" => Node::Sub(r(0)?, r(1)?),
            "mul" => Node::Mul(r(0)?, r(1)?),
            "neg" => Node::Neg(r(0)?),
            _ => return Err(format!("unknown node {op}")),
        });
    }
    let chk = |x: usize| (x < nodes.len()).then_some(x).ok_or(format!("node {x} does not exist"));
    let mut fracs = vec![];
    for f in &d.logup {
        fracs.push(match f {
            FracDef::Rel { relation, multiplicity, values } => {
                let r = rels.iter().position(|r| r.name == *relation).ok_or(format!("relation {relation}"))?;
                Frac::Rel(r, chk(*multiplicity)?, values.iter().map(|v| chk(*v)).collect::<Res<_>>()?)
            }
            FracDef::Raw { numerator, denominator } => Frac::Raw(chk(*numerator)?, chk(*denominator)?),
        });
    }
    let nf = fracs.len();
    let batching: Vec<usize> = match &d.batching {
        Batching::List(l) => l.clone(),
        Batching::Named(s) if s == "single" => (0..nf).collect(),
        Batching::Named(s) if s != "pairs" => return Err(format!("batching {s}")),
        _ => (0..nf).map(|i| i / 2).collect(),
    };
    if batching.len() != nf {
        return Err("batching length".into());
    }
    for id in &d.preprocessed {
        if !air.preprocessed.contains(id) {
            return Err(format!("preprocessed column {id} is not in the tree"));
        }
    }
    Ok(Graph {
        log_size: env.params.components[c].log_size,
        log_degree: d.log_degree,
        pp: d.preprocessed.iter().map(|id| PreProcessedColumnId { id: id.clone() }).collect(),
        trace: d.trace.clone(),
        inter: d.interaction.clone(),
        constraints: d.constraints.iter().map(|x| chk(*x)).collect::<Res<_>>()?,
        nodes,
        fracs,
        batching,
        rels: rels.clone(),
    })
}

fn check(c: &Check, env: &Env) -> Res<()> {
    let mut v: Vec<SecureField> = vec![];
    for n in &c.nodes {
        let (op, a) = arr(n)?;
        let r = |k: usize| -> Res<SecureField> { v.get(idx(a, k)?).copied().ok_or("check operand".into()) };
        let x = match op {
            "const" => m31(idx(a, 0)? as u64)?.into(),
            "qconst" => felt(&a[0])?,
            "chal" => *env.chal.get(name(a, 0)?).ok_or("unknown challenge")?,
            "pub" => felt(&env.public(name(a, 0)?, a.get(1).and_then(|x| x.as_u64()).map(|x| x as usize))?)?,
            "claimed" => *env.claims.get(idx(a, 0)?).ok_or("claimed sum")?,
            "rows" => m31(1u64 << env.params.components.get(idx(a, 0)?).ok_or("rows")?.log_size)?.into(),
            "combine" => {
                let rel = env.rels.get(name(a, 0)?).ok_or("relation")?;
                let ids = a.get(1).and_then(|x| x.as_array()).ok_or("combine values")?;
                if ids.len() > rel.powers.len() {
                    return Err("combine: too many values".into());
                }
                let mut acc = -rel.z;
                for (id, p) in ids.iter().zip(&rel.powers) {
                    acc += *p * *v.get(id.as_u64().ok_or("combine value")? as usize).ok_or("combine value")?;
                }
                acc
            }
            "add" => r(0)? + r(1)?,
            "sub" => r(0)? - r(1)?,
            "mul" => r(0)? * r(1)?,
            "neg" => -r(0)?,
            "inv" => {
                let x = r(0)?;
                if x.is_zero() {
                    return Err("inverse of zero in a check".into());
                }
                x.inverse()
            }
            _ => return Err(format!("unknown check node {op}")),
        };
        v.push(x);
    }
    for z in &c.zero {
        if !v.get(*z).ok_or("check zero index")?.is_zero() {
            return Err(format!("check {} failed", c.name));
        }
    }
    Ok(())
}

// ------------------------------------------------------------------ scalar row evaluator (prover)
struct RowEval<'a> {
    get: &'a dyn Fn(usize, usize, isize) -> BaseField,
    idx: [usize; 3],
    cons: Vec<SecureField>,
    fracs: Vec<Fraction<SecureField, SecureField>>,
}
impl EvalAtRow for RowEval<'_> {
    type F = BaseField;
    type EF = SecureField;
    fn next_interaction_mask<const N: usize>(&mut self, t: usize, o: [isize; N]) -> [BaseField; N] {
        let k = self.idx[t];
        self.idx[t] += 1;
        o.map(|o| (self.get)(t, k, o))
    }
    fn add_constraint<G>(&mut self, c: G)
    where
        Self::EF: std::ops::Mul<G, Output = Self::EF> + From<G>,
    {
        self.cons.push(SecureField::from(c));
    }
    fn combine_ef(v: [BaseField; 4]) -> SecureField {
        SecureField::from_m31_array(v)
    }
    fn write_logup_frac(&mut self, f: Fraction<SecureField, SecureField>) {
        self.fracs.push(f);
    }
    fn finalize_logup_batched(&mut self, _: &Vec<usize>) {}
}
/// Interaction columns and claimed sum of one component; also checks the row constraints.
fn interaction(g: &Graph, pre: &[&Vec<u32>], tr: &[Vec<u32>]) -> Res<(Cols, SecureField)> {
    use stwo::core::utils::{bit_reverse_index, circle_domain_index_to_coset_index};
    if !g.inter.is_empty() {
        return Err("gprove: explicit interaction columns are not generated".into());
    }
    let n = g.log_size;
    let nn = 1usize << n;
    let nb = g.n_batches();
    let mut cols = vec![vec![SecureField::zero(); nn]; nb];
    for p in 0..nn {
        let get = |t: usize, k: usize, o: isize| {
            let pos = if o == 0 {
                p
            } else {
                let r = circle_domain_index_to_coset_index(bit_reverse_index(p, n), n) as isize + o;
                crate::airs::coset_pos(r.rem_euclid(nn as isize) as usize, n)
            };
            BaseField::from_u32_unchecked(if t == 0 { pre[k][pos] } else { tr[k][pos] })
        };
        let e = g.evaluate(RowEval { get: &get, idx: [0; 3], cons: vec![], fracs: vec![] });
        if let Some(k) = e.cons.iter().position(|c| !c.is_zero()) {
            return Err(format!("constraint {k} is violated at stored row {p}"));
        }
        for (b, f) in g.batching.iter().zip(&e.fracs) {
            cols[*b][p] += f.numerator * f.denominator.inverse();
        }
        for b in 1..nb {
            let prev = cols[b - 1][p];
            cols[b][p] += prev;
        }
    }
    let mut sum = SecureField::zero();
    if let Some(last) = cols.last_mut() {
        last.iter().for_each(|x| sum += *x);
        let shift = sum * SecureField::from(BaseField::from_u32_unchecked(1 << n)).inverse();
        let mut acc = SecureField::zero();
        for r in 0..nn {
            let p = crate::airs::coset_pos(r, n);
            acc += last[p] - shift;
            last[p] = acc;
        }
    }
    let out = cols
        .iter()
        .flat_map(|c| (0..4).map(|k| c.iter().map(|x| x.to_m31_array()[k].0).collect()).collect::<Vec<_>>())
        .collect();
    Ok((out, sum))
}

#[derive(Deserialize, Default)]
pub struct TraceFile {
    #[serde(default)]
    pub preprocessed: Cols,
    pub trace: Vec<Cols>,
}

pub fn run(air: &Air, params: &Params, trace: &TraceFile, s: &mut dyn Session) -> Res<()> {
    if air.format != "stwo-air-graph/1" {
        return Err("unknown format".into());
    }
    if params.components.len() != air.components.len() || params.preprocessed_log_sizes.len() != air.preprocessed.len() {
        return Err("parameters do not match the AIR".into());
    }
    let mut env = Env { params, rels: HashMap::new(), chal: HashMap::new(), claims: vec![] };
    // Relation values are known only after the draws; the column layout is independent of them.
    let mut committed = 0;
    let mut claimed_known = false;
    let mut inter: Vec<Cols> = vec![];
    let rel_list = |env: &Env| -> Arc<Vec<DynRelation>> {
        Arc::new(
            air.relations
                .iter()
                .map(|r| {
                    env.rels.get(&r.name).cloned().unwrap_or(DynRelation {
                        name: r.name.clone(),
                        z: SecureField::one(),
                        powers: vec![SecureField::one(); r.size],
                    })
                })
                .collect(),
        )
    };
    let has_t2 = air.components.iter().any(|c| !c.logup.is_empty() || !c.interaction.is_empty());
    for op in &air.transcript {
        if matches!(op, Op::MixClaimedSums | Op::Commit { tree: 2 }) && !claimed_known {
            claimed_known = true;
            let rels = rel_list(&env);
            let graphs: Vec<Graph> =
                (0..air.components.len()).map(|c| compile(air, c, &env, &rels)).collect::<Res<_>>()?;
            let mut sums = vec![];
            if s.proving() {
                for (c, g) in graphs.iter().enumerate() {
                    let pre: Vec<&Vec<u32>> = g
                        .pp
                        .iter()
                        .map(|id| &trace.preprocessed[air.preprocessed.iter().position(|x| *x == id.id).unwrap()])
                        .collect();
                    let (cols, sum) = interaction(g, &pre, &trace.trace[c])?;
                    inter.push(cols);
                    sums.push(sum);
                }
            }
            env.claims = s.claims(&mut || sums.clone())?;
            if env.claims.len() != air.components.len() {
                return Err("one claimed sum per component expected".into());
            }
        }
        match op {
            Op::MixConfig => {
                let c = s.config();
                c.mix_into(s.ch())
            }
            Op::Commit { tree } => {
                if *tree != committed {
                    return Err("trees must be committed in order".into());
                }
                committed += 1;
                match tree {
                    0 => s.commit(&params.preprocessed_log_sizes, &mut || trace.preprocessed.clone())?,
                    1 => {
                        let l: Vec<u32> = air
                            .components
                            .iter()
                            .zip(&params.components)
                            .flat_map(|(d, p)| vec![p.log_size; d.trace.len()])
                            .collect();
                        s.commit(&l, &mut || trace.trace.concat())?
                    }
                    2 => {
                        let rels = rel_list(&env);
                        let mut l = vec![];
                        for c in 0..air.components.len() {
                            let g = compile(air, c, &env, &rels)?;
                            l.extend(vec![g.log_size; g.n_interaction()]);
                        }
                        s.commit(&l, &mut || inter.concat())?
                    }
                    _ => return Err("trees 0, 1 and 2 only".into()),
                }
            }
            Op::MixU64 { v } => {
                let x = env.int(v)?;
                s.ch().mix_u64(x)
            }
            Op::MixU32s { v } => {
                let x = v.iter().map(|v| env.int(v).map(|x| x as u32)).collect::<Res<Vec<_>>>()?;
                s.ch().mix_u32s(&x)
            }
            Op::MixFelts { v } => {
                let x = v.iter().map(|v| env.arg(v).and_then(|x| felt(&x))).collect::<Res<Vec<_>>>()?;
                s.ch().mix_felts(&x)
            }
            Op::MixClaimedSums => {
                let c = env.claims.clone();
                s.ch().mix_felts(&c)
            }
            Op::Pow { bits } => s.interaction_pow(*bits)?,
            Op::DrawRelation { name } => {
                let def = air.relations.iter().find(|r| r.name == *name).ok_or("undeclared relation")?;
                let d = s.ch().draw_secure_felts(2);
                let mut cur = SecureField::one();
                let powers = (0..def.size)
                    .map(|_| {
                        let r = cur;
                        cur *= d[1];
                        r
                    })
                    .collect();
                env.rels.insert(name.clone(), DynRelation { name: name.clone(), z: d[0], powers });
            }
            Op::DrawFelt { name } => {
                let d = s.ch().draw_secure_felt();
                env.chal.insert(name.clone(), d);
            }
            Op::DrawFelts { names } => {
                let d = s.ch().draw_secure_felts(names.len());
                env.chal.extend(names.iter().cloned().zip(d));
            }
        }
    }
    if committed != if has_t2 { 3 } else { 2 } {
        return Err("transcript commits a wrong number of trees".into());
    }
    for c in &air.checks {
        check(c, &env)?;
    }
    if env.claims.is_empty() {
        env.claims = vec![SecureField::zero(); air.components.len()];
    }
    let ids: Vec<_> = air.preprocessed.iter().map(|id| PreProcessedColumnId { id: id.clone() }).collect();
    let mut al = TraceLocationAllocator::new_with_preprocessed_columns(&ids);
    let rels = rel_list(&env);
    let mut comps: Vec<Box<dyn AnyComp>> = vec![];
    for c in 0..air.components.len() {
        let g = compile(air, c, &env, &rels)?;
        comps.push(Box::new(FrameworkComponent::new(&mut al, g, env.claims[c])));
    }
    s.finish(comps)
}
