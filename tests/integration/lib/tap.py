#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""TAP (Test Anything Protocol) on stdout.

    with Tap() as t:
        t.ok(loss == 0, 'no packet lost', f'{loss} lost')
        t.skip('hugepages', 'the host has none')
        t.run(test_restart, rig)            # one result for the whole function, unless it reported some itself
    sys.exit(t.status)

An exception in a function under run(), or in the body, becomes `not ok` with the traceback as # lines; Skip becomes a
skip. The plan comes at the end, so a script that dies without it is seen to have died.
"""
import re
import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; its text is the reason."""


class Tap:
    def __init__(self, plan=None, out=None):
        self.plan, self.out = plan, out or sys.stdout
        self.count = self.failed = self.skipped = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind and issubclass(kind, Skip):
            self.skip('the rest', str(error))
        elif kind:
            self.ok(False, f'{kind.__name__} outside of a test',
                    ''.join(traceback.format_exception(kind, error, trace)))
        self._print(f'1..{self.count if self.plan is None else self.plan}')
        if self.plan not in (None, self.count):
            self.diag(f'planned {self.plan} tests, but ran {self.count}')
        return kind is None or issubclass(kind, Exception)  # not for KeyboardInterrupt, SystemExit

    @property
    def status(self):
        """The exit status of the script."""
        return 1 if self.failed or self.plan not in (None, self.count) else 0

    def _print(self, line):
        print(line, file=self.out, flush=True)

    def diag(self, text):
        """Comment lines."""
        for line in str(text).rstrip().splitlines():
            self._print(f'# {line}')

    def ok(self, cond, name, diag=''):
        """One result; `diag` (text, or a function that makes it) is shown if it is bad. Returns bool(cond)."""
        self.count += 1
        name = ' '.join(name.split()).replace('#', '\\#')
        self._print(f'{"ok" if cond else "not ok"} {self.count} - {name}')
        if not cond:
            self.failed += 1
            self.diag(diag() if callable(diag) else diag)
        return bool(cond)

    def equal(self, got, want, name):
        return self.ok(got == want, name, f'got  {got!r}\nwant {want!r}')

    def skip(self, name, reason):
        self.count += 1
        self.skipped += 1
        name = ' '.join(name.split()).replace('#', '\\#')
        self._print(f'ok {self.count} - {name} # SKIP {" ".join(reason.split())}')

    def relay(self, line):
        """A line of another program's output: its results become ours. Its plan is returned, the rest is shown."""
        result = re.match(r'(ok|not ok) \d+( - .*)?', line)
        plan = re.match(r'1\.\.(\d+)', line)
        if result:
            self.count += 1
            self.failed += result[1] != 'ok'
            self.skipped += '# SKIP' in line
            self._print(f'{result[1]} {self.count}{result[2] or ""}')
        elif line.startswith('#'):
            self._print(line)
        elif not plan:
            print(line, file=sys.stderr, flush=True)
        return plan and int(plan[1])

    def run(self, test, *args, name=None, **kwargs):
        """Call test(*args): `ok` if it returns without having reported anything itself. True if nothing failed."""
        name = name or ((test.__doc__ or '').strip().split('\n')[0] or test.__name__)
        count, failed = self.count, self.failed
        try:
            test(*args, **kwargs)
        except Skip as e:
            self.skip(name, str(e))
        except Exception:
            self.ok(False, name, traceback.format_exc())
        else:
            if self.count == count:
                self.ok(True, name)
        return self.failed == failed
