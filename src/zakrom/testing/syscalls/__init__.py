"""What a real program wrote and synced, recorded, and the disks that a power cut would have left: the second proof.

`zakrom.testing.faulty_disk` shows that our own file calls are in the right order; this shows it of everything that a running
program does through the C library, SQLite's writes included. Linux only, with a C compiler (`cc`) at hand.

    recorder = Recorder(directory, scratch)
    process = subprocess.Popen(command, env={**environment, **recorder.environment})
    ...                                 # recorder.mark("PUT 7 answered 200") after each promise
    recording = recorder.finish()
    recording.verify()                  # nothing was missed
    for state in recording.states(seed=1, limit=500):
        ...                             # open state.path, check that all of state.marks are true
"""

from zakrom.testing.syscalls.recording import Recorder, RecorderUnavailable, Recording, record
from zakrom.testing.syscalls.replay import State

__all__ = ["Recorder", "RecorderUnavailable", "Recording", "State", "record"]
