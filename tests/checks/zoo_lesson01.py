"""Correct ways of writing the exercises of lesson 01; each must pass."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum

# ----------------------------------------------------------------------------- influence


def influence_loops(model, x):
    n = len(x)
    before = model(x)
    table = torch.zeros(n, n, dtype=torch.bool)
    for t in range(n):
        for j in range(n):
            moved = x.clone()
            moved[j] += 1
            table[t, j] = not torch.allclose(model(moved)[t], before[t])
    return table


def influence_in_place(model, x):
    before = model(x)
    table = torch.zeros(len(x), len(x), dtype=torch.bool)
    for j in range(len(x)):
        kept = x[j].clone()
        x[j] = kept + 5
        table[:, j] = (model(x) != before).any(1)
        x[j] = kept
    return table


def influence_noise(model, x):
    before = model(x)
    columns = []
    for j in range(x.shape[0]):
        moved = x.clone()
        moved[j] = torch.randn(x.shape[1], generator=torch.Generator().manual_seed(j))
        columns.append((model(moved) - before).norm(dim=-1) > 1e-5)
    return torch.stack(columns, dim=1)


def influence_gradient(model, x):
    x = x.clone().requires_grad_()
    rows = []
    for out in model(x):
        total = torch.zeros(len(x))
        for feature in out:
            (g,) = torch.autograd.grad(feature, x, retain_graph=True)
            total = total + g.abs().sum(-1)
        rows.append(total > 0)
    return torch.stack(rows)


def influence_jacobian(model, x):
    j = torch.autograd.functional.jacobian(model, x)  # (n, d, n, d)
    return j.abs().sum((1, 3)) > 1e-7


def influence_numpy(model, x):
    x = np.asarray(x)
    before = np.asarray(model(x))
    table = np.zeros((len(x), len(x)), dtype=bool)
    for j in range(len(x)):
        moved = np.array(x, copy=True)
        moved[j] -= 2.0
        table[:, j] = ~np.isclose(np.asarray(model(moved)), before).all(axis=1)
    return table


def influence_numpy_only(model, x):
    before = model(x)
    out = []
    for j in range(x.shape[0]):
        moved = x.copy()
        moved[j, :] = 0.123
        out.append(np.abs(model(moved) - before).max(axis=1) > 1e-9)
    return np.array(out).T


def influence_ints(model, x):
    before = model(x)
    return torch.stack(
        [
            ((model(torch.where(torch.arange(len(x))[:, None] == j, x + 1, x)) - before) ** 2)
            .sum(1).gt(1e-10).int()
            for j in range(len(x))
        ], 1,
    )  # fmt: skip


def influence_list(model, x):
    before = model(x).tolist()
    n = len(x)
    table = [[False] * n for _ in range(n)]
    for j in range(n):
        moved = x.clone()
        moved[j] = moved[j] + 1
        after = model(moved).tolist()
        for t in range(n):
            table[t][j] = any(abs(a - b) > 1e-6 for a, b in zip(after[t], before[t], strict=True))
    return table


def influence_eye(model, x):
    n = len(x)
    eye = torch.eye(n, dtype=x.dtype)
    return (
        torch.cat(
            [(model(x + eye[j][:, None]) - model(x)).abs().amax(1, keepdim=True) for j in range(n)],
            1,
        )
        > 1e-6
    )


def influence_float64(model, x):
    x = x.double()
    return torch.stack(
        [(model(x.index_fill(0, torch.tensor([j]), 3.0)) - model(x)).abs().sum(-1)
         for j in range(len(x))], -1).ne(0)  # fmt: skip


def influence_einsum(model, x):
    moves = torch.einsum("ij,d->jid", torch.eye(len(x), dtype=x.dtype), torch.ones_like(x[0]))
    gaps = torch.stack([model(x + move) - model(x) for move in moves])  # (j, t, d)
    return einsum(gaps.abs(), "j t d -> t j") > 1e-5


INFLUENCE = [
    influence_loops, influence_in_place, influence_noise, influence_gradient, influence_jacobian,
    influence_numpy, influence_numpy_only, influence_ints, influence_list, influence_eye,
    influence_float64, influence_einsum,
]  # fmt: skip

# ---------------------------------------------------------------------- nearest neighbour


def nearest_loops(vectors, labels):
    found = []
    for i, a in enumerate(vectors):
        best, at = -2.0, -1
        for j, b in enumerate(vectors):
            cosine = float(a @ b) / (float(a @ a) ** 0.5 * float(b @ b) ** 0.5)
            if i != j and cosine > best:
                best, at = cosine, j
        found.append(int(labels[at]))
    return found


def nearest_fill(vectors, labels):
    unit = F.normalize(vectors, dim=-1)
    near = unit @ unit.T
    near.fill_diagonal_(-2)
    return labels[near.argmax(1)]


def nearest_cosine_similarity(vectors, labels):
    near = F.cosine_similarity(vectors[:, None], vectors[None], dim=-1)
    return labels[(near - 9 * torch.eye(len(vectors))).argmax(-1)]


def nearest_top_two(vectors, labels):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    return labels[(unit @ unit.T).topk(2, dim=-1).indices[:, 1]]


def nearest_sorted(vectors, labels):
    unit = vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return labels[torch.argsort(unit @ unit.mT, dim=-1, descending=True)[:, 1]]


def nearest_keys_only(vectors, labels):
    """The query's own length changes nothing in its order of neighbours."""
    near = vectors @ (vectors / vectors.norm(dim=1, keepdim=True)).T
    near[torch.eye(len(vectors), dtype=torch.bool)] = -torch.inf
    return labels[near.max(-1).indices]


def nearest_distance_of_units(vectors, labels):
    unit = F.normalize(vectors.double(), dim=-1)
    far = torch.cdist(unit, unit)
    far[range(len(far)), range(len(far))] = 99
    return labels[far.argmin(1)]


def nearest_numpy(vectors, labels):
    v, labels = np.asarray(vectors), np.asarray(labels)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    return labels[near.argmax(axis=1)]


def nearest_numpy_loop(vectors, labels):
    v = np.array(vectors)
    out = np.zeros(len(v), dtype=int)
    for i in range(len(v)):
        cosine = v @ v[i] / np.linalg.norm(v, axis=1) / np.linalg.norm(v[i])
        cosine[i] = -1e9
        out[i] = labels[int(np.argmax(cosine))]
    return out


def nearest_left_out(vectors, labels):
    out = []
    for i in range(len(vectors)):
        rest = [j for j in range(len(vectors)) if j != i]
        near = F.cosine_similarity(vectors[i], vectors[rest], dim=-1)
        out.append(labels[rest[int(near.argmax())]])
    return torch.stack(out)


def nearest_einsum(vectors, labels):
    unit = vectors * vectors.square().sum(-1, keepdim=True).rsqrt()
    near = einsum(unit, unit, "i d, j d -> i j")
    return torch.take(labels, near.masked_fill(torch.eye(len(near)).bool(), -1e9).argmax(-1))


def nearest_angle(vectors, labels):
    unit = F.normalize(vectors.double(), dim=-1)
    angle = (unit @ unit.T).clamp(-1, 1).arccos()
    angle = torch.where(torch.eye(len(unit)) > 0, torch.inf, angle)
    return labels.gather(0, angle.argmin(-1))


NEAREST = [
    nearest_loops, nearest_fill, nearest_cosine_similarity, nearest_top_two, nearest_sorted,
    nearest_keys_only, nearest_distance_of_units, nearest_numpy, nearest_numpy_loop,
    nearest_left_out, nearest_einsum, nearest_angle,
]  # fmt: skip


# ----------------------------------------------------------------------------- sequential depth


def depth_list(needs):
    steps = []
    for row in needs:
        steps.append(1 + max((s for s, need in zip(steps, row, strict=False) if need), default=0))
    return torch.tensor(steps)


def depth_tensor(needs):
    steps = torch.zeros(len(needs), dtype=torch.long)
    for i in range(len(needs)):
        steps[i] = 1 + (steps * needs[i]).max()
    return steps


def depth_where(needs):
    steps = torch.zeros(len(needs))
    for i in range(len(needs)):
        steps[i] = torch.where(needs[i], steps, torch.zeros(())).max() + 1
    return steps


def depth_numpy(needs):
    table = np.asarray(needs)
    steps = np.zeros(len(table), dtype=int)
    for i, row in enumerate(table):
        steps[i] = 1 + steps[row].max(initial=0)
    return steps


def depth_recursive(needs):
    def step(i):
        return 1 + max([step(j) for j in range(i) if needs[i][j]], default=0)

    return torch.tensor([step(i) for i in range(len(needs))])


def depth_matrix_powers(needs):
    steps, reach = torch.ones(len(needs)), needs.double()
    while reach.any():  # a chain of one more need exists
        steps = steps + (reach.sum(-1) > 0)
        reach = reach @ needs.double()
    return steps


def depth_wave(needs):
    done, steps, now = torch.zeros(len(needs), dtype=torch.bool), torch.zeros(len(needs)), 0
    while not done.all():
        now += 1
        ready = ~done & ~(needs & ~done).any(-1)
        steps[ready] = now
        done = done | ready
    return steps


def depth_until_stable(needs):
    steps, before = torch.ones(len(needs)), None
    while before is None or not torch.equal(steps, before):
        before = steps
        steps = 1 + (needs * steps).amax(-1)
    return steps


def depth_push(needs):
    n = len(needs)
    steps = [1] * n
    for j in range(n):
        for i in range(j + 1, n):
            if needs[i, j]:
                steps[i] = max(steps[i], steps[j] + 1)
    return torch.tensor(steps)


def depth_indices(needs):
    steps = torch.ones(len(needs), dtype=torch.int32)
    for i in range(len(needs)):
        needed = torch.nonzero(needs[i]).flatten()
        if needed.numel():
            steps[i] = steps[needed].max() + 1
    return steps


def depth_triples(needs):
    length = torch.where(needs.bool(), 1.0, -np.inf)
    for k in range(len(needs)):  # longest paths by way of k
        length = torch.maximum(length, length[:, k : k + 1] + length[k : k + 1])
    return 1 + length.amax(-1).clamp(min=0)


def depth_dictionary(needs):
    inputs = {i: np.flatnonzero(np.asarray(row)) for i, row in enumerate(needs)}
    steps = {}
    for i, needed in inputs.items():
        steps[i] = 1 + max(map(steps.get, needed.tolist()), default=0)
    return np.array(list(steps.values()))


DEPTH = [
    depth_list, depth_tensor, depth_where, depth_numpy, depth_recursive, depth_matrix_powers,
    depth_wave, depth_until_stable, depth_push, depth_indices, depth_triples, depth_dictionary,
]  # fmt: skip

STYLES = {
    "influence": INFLUENCE,
    "nearest_sense": NEAREST,
    "repair_nearest_sense": NEAREST,
    "sequential_depth": DEPTH,
}
