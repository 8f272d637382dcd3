#!/usr/bin/env python3
"""What a pack of many jobs costs beside its trainings: making, planning, looking, claiming.

    benches/pack_scale.py target/release/effigy [--jobs 10000]

Times (best of three) and the most memory of `pack new`, of `pack status` that plans everything and of one that
finds the plan made, with nothing and with all but one job done; and what `pack run --most 1` takes above the same on
a pack of one job: the plan's check, the look at the folder and the claim. Standard library only."""
import argparse, importlib.util, json, os, shutil, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("pack_kills", f"{HERE}/../.ci/pack_kills.py")
kills = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(kills)


def measured(*arguments):
    """Seconds and peak MB of a process."""
    begun = time.time()
    pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{arguments}: {status}")
    return time.time() - begun, usage.ru_maxrss / 1024


def best(what, times, prepare, *arguments):
    found = []
    for _ in range(times):
        prepare()
        found.append(measured(*arguments))
    seconds, memory = min(found)
    print(f"{what:48} {seconds:6.2f} s  {memory:6.0f} MB", flush=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("--jobs", type=int, default=10_000)
    wanted = parser.parse_args()
    effigy = os.path.abspath(wanted.effigy)
    place = tempfile.mkdtemp(prefix="pack-scale-")
    os.chdir(place)
    kills.recordings(1, 2)
    wet = kills.read("wet-0.wav")
    with open("table.csv", "w") as table:
        table.write("dry,wet,gain\n")
        for n in range(wanted.jobs):
            with open(f"w{n}.wav", "wb") as file:
                # Another last sample each.
                file.write(wet[:-4] + n.to_bytes(3, "little") + b"\x3d")
            table.write(f"dry.wav,w{n}.wav,{n}\n")
    with open("one.csv", "w") as table:
        table.write("dry,wet\ndry.wav,w0.wav\n")
    forget = lambda: os.path.exists("many/plan.json") and os.remove("many/plan.json")
    nothing = lambda: None
    print(f"{wanted.jobs} jobs, {os.cpu_count()} cores")
    new = lambda folder, table: (effigy, "-q", "pack", "new", folder, "--config", "t.toml", "--table", table, "--force")
    best("pack new", 3, nothing, *new("many", "table.csv"))
    best("pack status, every recording hashed, plan made", 3, forget, effigy, "-q", "pack", "status", "many")
    best("pack status, plan known, nothing done", 3, nothing, effigy, "-q", "pack", "status", "many")

    measured(*new("one", "one.csv"))
    again = lambda: shutil.rmtree("one/runs", ignore_errors=True)
    alone = best("pack run of a pack of one job", 3, again, effigy, "-q", "pack", "run", "one")
    one = os.listdir("one/runs")[0]
    trained = lambda: shutil.rmtree(f"many/runs/{one}", ignore_errors=True)
    first = best("pack run --most 1, nothing done", 3, trained, effigy, "-q", "pack", "run", "many", "--most", "1")
    jobs = json.loads(kills.read("many/plan.json"))["jobs"]
    for job in jobs:
        if job["id"] != one:
            os.makedirs(f"many/runs/{job['id']}", exist_ok=True)
            shutil.copy(f"one/runs/{one}/job.json", f"many/runs/{job['id']}/job.json")
    best("pack status, all done but one", 3, trained, effigy, "-q", "pack", "status", "many")
    last = best("pack run, all done but one", 3, trained, effigy, "-q", "pack", "run", "many")
    print(f"a claim, with the check of the plan before it: {first - alone:.2f} s with nothing done, "
          f"{last - alone:.2f} s with all but one done")
    os.chdir("/")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
