"""What was measured, for people (a table, log-log plots) and for machines (JSON)."""
import os
import statistics


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def judged(result):
    """(target, what ours was compared with, spread) for the targets both of whose sides ran.

    Of several peers the one with the smallest median counts, and the ratio is formed within each round.
    """
    values, benchmark = result["values"], result["benchmark"]
    for target in benchmark.targets:
        metric = benchmark.metric_of(target)
        ours = values.get((target.ours, metric))
        if ours is None:
            continue
        if not target.peers:
            yield target, "", spread(ours)
            continue
        ran = [peer for peer in target.peers if (peer, metric) in values]
        if ran:
            best = min(ran, key=lambda peer: statistics.median(values[peer, metric]))
            yield target, best, spread([a / b for a, b in zip(ours, values[best, metric])])


def print_result(result):
    benchmark = result["benchmark"]
    size = f", {benchmark.size} B" if benchmark.size else ""
    print(f"{benchmark.id}: {benchmark.title}{size}; {result['rounds']} rounds, {os.cpu_count()} cores, "
          f"{result['others']:.0%} of the processor time went to other processes")
    for metric in benchmark.metrics:
        print(f"  {metric.replace('_', ' '):<48}{'median':>11}{'min':>11}{'max':>11}")
        for (name, of), values in result["values"].items():
            if of == metric:
                s = spread(values)
                print(f"    {name:<46}{s['median']:>11.1f}{s['min']:>11.1f}{s['max']:>11.1f}")
    for name, reason in result["wrong"].items():
        print(f"    {name:<46} not measured: {reason}")
    if benchmark.targets:
        print(f"  {'ratio':<48}{'median':>11}{'min':>11}{'max':>11}   target")
    for target, best, s in judged(result):
        what = target.ours + (f" / {best}" if best else "")
        if benchmark.metric_of(target) != benchmark.metrics[0]:
            what += f" ({benchmark.metric_of(target)})"
        print(f"    {what:<46}{s['median']:>11.2f}{s['min']:>11.2f}{s['max']:>11.2f}"
              f"   <= {target.at_most:g} {verdict(target, s)}")
    print(flush=True)


def print_growth(result):
    growth = result["growth"]
    print(f"{growth.id}: {growth.title}: {growth.metric.replace('_', ' ')} by {growth.along}; median of "
          f"{result['rounds']}, {result['others']:.0%} of the processor time went to other processes")
    print(f"    {'':<30}" + "".join(f"{n:>11}" for n in growth.sizes))
    for name in growth.programs:
        cells = [result["values"].get((name, n)) for n in growth.sizes]
        if any(cells):
            print(f"    {name:<30}" + "".join(f"{statistics.median(v):>11.1f}" if v else f"{'-':>11}" for v in cells))
    for name, reason in result["wrong"].items():
        print(f"    {name:<30} not measured: {reason}")
    print(flush=True)


def plot(result, folder):
    """Draws one growth as an SVG; the path, or None when matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    growth = result["growth"]
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for name in growth.programs:
        points = [(n, statistics.median(v)) for (of, n), v in sorted(result["values"].items()) if of == name]
        if points:
            axes.plot(*zip(*points), marker="o", label=name, linewidth=2.2 if name.startswith("td_") else 1.2)
    axes.set(xscale="log", yscale="log", xlabel=growth.along, ylabel=growth.metric.replace("_", " "),
             title=f"{growth.id}: {growth.title}")
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path = folder / f"{growth.id}-{growth.metric}-by-{growth.along}.svg".lower().replace(" ", "-").replace("_", "-")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def verdict(target, s):
    return "met" if s["median"] <= target.at_most else "MISSED"


def as_json(results, growths=()):
    rows = [{"id": r["benchmark"].id, "title": r["benchmark"].title, "size": r["benchmark"].size, "peer": name,
             "metric": metric, **spread(values)} for r in results for (name, metric), values in r["values"].items()]
    rows += [{"id": r["growth"].id, "title": r["growth"].title, "size": n, "along": r["growth"].along, "peer": name,
              "metric": r["growth"].metric, **spread(values)} for r in growths for (name, n), values in r["values"].items()]
    pairs = [{"id": r["benchmark"].id, "title": r["benchmark"].title, "size": r["benchmark"].size,
              "ours": target.ours, "peer": best, "metric": r["benchmark"].metric_of(target), **s,
              "target": target.at_most, "met": verdict(target, s) == "met"}
             for r in results for target, best, s in judged(r)]
    wrong = [{"id": (r.get("benchmark") or r["growth"]).id, "peer": name, "reason": reason}
             for r in (*results, *growths) for name, reason in r["wrong"].items()]
    return {"rows": rows, "ratios": pairs, "not_measured": wrong, "cores": os.cpu_count(), "machine": machine(),
            "other_processes": {f"{r['benchmark'].id} {r['benchmark'].title}": round(r["others"], 3) for r in results}}


def machine():
    """Processor and kernel, as far as this system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "")
    except OSError:
        model = ""
    return {"processor": model, "system": " ".join(os.uname()[i] for i in (0, 2, 4))}


def closing_line(results):
    """Prints how many targets were met; 1 when ours did not run, however fast."""
    met = missed = 0
    for result in results:
        for target, _, s in judged(result):
            met, missed = (met + 1, missed) if verdict(target, s) == "met" else (met, missed + 1)
    wanted = sum(len(r["benchmark"].targets) for r in results)
    failed = [f"{r['benchmark'].id} {name}" for r in results for name in r["wrong"]
              if any(name == t.ours for t in r["benchmark"].targets)]
    if failed:
        print(f"make bench: FAILED, not measured: {', '.join(failed)}")
        return 1
    print(f"make bench: {met} of {wanted} targets met, {missed} missed, {wanted - met - missed} without their peer")
    return 0
