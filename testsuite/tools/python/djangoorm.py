"""Works with the console through Django's MySQL backend: inspectdb, and models of tables that
Django does not manage. HOST, PORT and NODE (a pump to change) are in the environment."""
import io
import os
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's mysqlclient, the driver that Django wants

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    USE_TZ=True,
    TIME_ZONE="UTC",
    INSTALLED_APPS=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.mysql", "HOST": os.environ["HOST"], "PORT": os.environ["PORT"],
                           "USER": "root", "NAME": "binlog", "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60}},
)
django.setup()

from django.db import DatabaseError, connection, models, transaction  # after the settings


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


print("version", django.get_version())
check(connection.mysql_version >= (8, 0, 11), True, "version")
check(sorted(connection.introspection.table_names()), ["drainers", "events", "positions", "pumps", "standbys", "unresolved"], "tables")
out = io.StringIO()
call_command("inspectdb", stdout=out)
text = out.getvalue()
for line in ("class Pumps(models.Model):", "class Positions(models.Model):", "node_id = models.CharField(primary_key=True, max_length=255",
             "lag_seconds = models.DecimalField(max_digits=20, decimal_places=3, blank=True, null=True",
             "commit_time = models.DateTimeField(blank=True, null=True", "max_commit_ts = models.BigIntegerField(", "managed = False"):
    check(line in text, True, f"{line!r} in what inspectdb wrote:\n{text}")
check("Unable to inspect" in text, False, text)
did("inspectdb of `binlog`: models with keys, types, NULL")

# The models that inspectdb wrote are those that are used.
scope = {"__name__": "console"}
sys.modules["console"] = type(sys)("console")
exec(text.replace("class Meta:\n", "class Meta:\n        app_label = 'console'\n"), scope)
Pumps, Drainers, Events = scope["Pumps"], scope["Drainers"], scope["Events"]
node = os.environ["NODE"]

pump = Pumps.objects.get(pk="pump2")
check((pump.address, pump.state, pump.max_commit_ts, pump.labels), ("127.0.0.2:8250", "Online", 408553768673342335, '{"zone":"a"}'), "get")
check(pump.commit_time.isoformat(), "2019-05-22T07:09:04.218000+00:00", "commit_time")
named = Pumps.objects.filter(node_id__startswith="pump")
check(list(named.exclude(state="Offline").order_by("-node_id").values_list("node_id", flat=True)), ["pump2", "pump1"], "filter")
check(list(named.values("state").annotate(n=models.Count("pk")).order_by("state").values_list("state", "n")), [("Offline", 1), ("Online", 2)], "group by")
check(named.filter(commit_time__year=2019, commit_time__gte=pump.commit_time).count(), 2, "dates")
check(named.filter(models.Q(labels__isnull=True) | models.Q(labels__icontains="ZONE")).count(), 3, "Q")
check(named.filter(pk__in=Pumps.objects.filter(max_commit_ts__lt=2)).get().node_id, "pump3", "subquery")
check([p.node_id for p in named.order_by("node_id")[1:3]], ["pump2", "pump3"], "slice")
check(named.filter(node_id__regex="^pump[12]$").exists(), True, "regex")
check([p.node_id for p in Pumps.objects.raw("SELECT * FROM pumps WHERE node_id = %s", ["pump1"])], ["pump1"], "raw")
check(Drainers.objects.aggregate(newest=models.Max("max_commit_ts")), {"newest": 408553768673342532}, "aggregate")
days = named.exclude(node_id="pump3").annotate(day=models.functions.TruncDay("commit_time")).values_list("day", flat=True).distinct()
check([day.isoformat() for day in days], ["2019-05-22T00:00:00+00:00"], "TruncDay")
did("models of it: get, filter, exclude, order, slices, annotate, aggregate, Q, subqueries, regex, dates, raw")

for state in ("paused", "online"):
    with transaction.atomic():
        with connection.cursor() as cur:
            cur.execute("CHANGE PUMP TO NODE_STATE = %s FOR NODE_ID %s", [state, node])
    check(Pumps.objects.get(pk=node).state, state.title(), "state")
with transaction.atomic():
    with transaction.atomic():  # a savepoint
        check(Events.objects.filter(node_id=node).count() >= 0, True, "events")
pump.score = 9
for what, action, number in (("save", lambda: pump.save(), 1235), ("delete", lambda: Pumps.objects.filter(pk="x").delete(), 1235),
                             ("create", lambda: Drainers.objects.create(node_id="x", alive=1, max_commit_ts=1, update_ts=1, score=0), 1235)):
    try:
        action()
        sys.exit(f"{what}: no error")
    except DatabaseError as err:
        check(err.args[0], number, what)
check(connection.is_usable(), True, "is_usable")
did("`CHANGE PUMP` in transaction.atomic, nested; save, create and delete are refused by number; is_usable")
