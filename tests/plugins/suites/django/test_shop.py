import pathlib

import pytest
from django.db import connection
from django.test import TestCase

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", range(8))
def test_alone_in_its_database(number, worker_id):
    from shop.models import Item

    assert Item.objects.count() == 0
    Item.objects.create(name="the only one")
    name = pathlib.Path(connection.settings_dict["NAME"]).name
    assert name == ("test.db" if worker_id == "master" else "test.db_" + worker_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(4))
def test_committed(number):
    from shop.models import Item

    assert Item.objects.count() == 0
    Item.objects.create(name="the only one")


class TestUnit(TestCase):
    @classmethod
    def setUpTestData(cls):
        from shop.models import Item

        Item.objects.create(name="of the class")

    def test_one(self):
        from shop.models import Item

        self.assertEqual(Item.objects.count(), 1)

    def test_two(self):
        from shop.models import Item

        Item.objects.all().delete()
